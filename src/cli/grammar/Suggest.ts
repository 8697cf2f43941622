/** Suggestions for typos. */

/** How many letters have to be added, removed, replaced or swapped with the next one to get from one word to the other. */
const distance = (from: string, to: string): number => {
  let before: Array<number> = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const next = [row]
    for (let column = 1; column <= to.length; column++) {
      const cost = from[row - 1] === to[column - 1] ? 0 : 1
      let least = Math.min((last[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + cost)
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        least = Math.min(least, (before[column - 2] ?? 0) + 1)
      }
      next.push(least)
    }
    before = last
    last = next
  }
  return last[to.length] ?? 0
}

/** No name is longer: a longer word is not a typo of one, and comparing it takes time. */
const longest = 40

/**
 * The known word that is closest to a typed one: at most two letters away, or one where either has at most four letters.
 *
 * @returns `undefined` when none is close, or the word itself is known
 */
export const closest = (word: string, known: ReadonlyArray<string>): string | undefined => {
  if (word.length > longest) return undefined
  const typed = word.toLowerCase()
  const near = known
    .map((name) => ({ name, away: distance(typed, name.toLowerCase()) }))
    .filter(({ away, name }) => away > 0 && away <= (Math.min(typed.length, name.length) <= 4 ? 1 : 2))
    .sort((left, right) => left.away - right.away)
  return near[0]?.name
}

/**
 * The line that an error adds to suggest a known word.
 *
 * @param before the command line in front of the word
 * @returns `undefined` when no known word is close
 */
export const didYouMean = (word: string, known: ReadonlyArray<string>, before = ""): string | undefined => {
  const name = closest(word, known)
  return name === undefined ? undefined : `did you mean ${before}${name}?`
}
