/**
 * Splits text into visible characters: a character with its combining marks. Effect's command line counts columns with it.
 * A joined sequence of emoji, which is one character by the full rules, counts as several.
 */
export class Segmenter {
  segment(text: string): ReadonlyArray<{ readonly segment: string; readonly index: number }> {
    return Array.from(text.matchAll(/\r\n|\P{M}\p{M}*|\p{M}+/gsu), (match) => ({
      segment: match[0],
      index: match.index
    }))
  }
}
