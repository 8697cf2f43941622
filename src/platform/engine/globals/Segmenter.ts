/**
 * Splits text into visible characters: a character with its combining marks. Effect's command line counts columns with it. Joined
 * sequences of pictures, which the full rules count as one, count as several.
 */
export class Segmenter {
  segment(text: string): ReadonlyArray<{ readonly segment: string; readonly index: number }> {
    return Array.from(text.matchAll(/\r\n|\P{M}\p{M}*|\p{M}+/gsu), (match) => ({
      segment: match[0],
      index: match.index
    }))
  }
}
