/** What several measurements of one thing come to. */
export interface Summary {
  readonly median: number
  readonly minimum: number
  readonly count: number
}

const middle = (sorted: ReadonlyArray<number>): number => {
  const half = sorted.length >> 1
  const upper = sorted[half] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2
}

/** Median and minimum: the median says what to expect, the minimum is what other work on the machine disturbs least. */
export const summarize = (values: ReadonlyArray<number>): Summary => {
  const sorted = values.toSorted((left, right) => left - right)
  return { median: middle(sorted), minimum: sorted[0] ?? Number.NaN, count: sorted.length }
}

/** How often `floor` goes into `value`, by medians and by minima. */
export const ratio = (value: Summary, floor: Summary): { readonly median: number; readonly minimum: number } => ({
  median: value.median / floor.median,
  minimum: value.minimum / floor.minimum
})
