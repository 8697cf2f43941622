/** Suggestions for typos. */

/**
 * The edit distance: how many letters must be added, removed, replaced or swapped with the next one to change one name to
 * the other.
 */
const distance = (from: string, to: string): number => {
  let before: Array<number> = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const next = [row]
    for (let column = 1; column <= to.length; column++) {
      const cost = from[row - 1] === to[column - 1] ? 0 : 1
      let smallest = Math.min((last[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + cost)
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        smallest = Math.min(smallest, (before[column - 2] ?? 0) + 1)
      }
      next.push(smallest)
    }
    before = last
    last = next
  }
  return last[to.length] ?? 0
}

/** No name is longer. A longer argument is not a typo of a name, and comparing it takes time. */
const maxNameLength = 40

/**
 * The known name that is closest to a typed one: at most two letters away, or one letter if either has at most four
 * letters.
 *
 * @param name the typed name
 * @param known all names
 * @returns `undefined` if none is close, or if the name itself is known
 */
export const closest = (name: string, known: ReadonlyArray<string>): string | undefined => {
  if (name.length > maxNameLength) return undefined
  const typed = name.toLowerCase()
  const near = known
    .map((name) => ({ name, away: distance(typed, name.toLowerCase()) }))
    .filter(({ away, name }) => away > 0 && away <= (Math.min(typed.length, name.length) <= 4 ? 1 : 2))
    .sort((left, right) => left.away - right.away)
  return near[0]?.name
}

/**
 * The line of an error that suggests a known name.
 *
 * @param name the typed name
 * @param known all names
 * @param before the command line before the name
 * @returns `undefined` if no known name is close
 */
export const didYouMean = (name: string, known: ReadonlyArray<string>, before = ""): string | undefined => {
  const suggestion = closest(name, known)
  return suggestion === undefined ? undefined : `did you mean ${before}${suggestion}?`
}
