/**
 * Letters as they are seen: a character with the marks that follow it. Effect's command line counts columns with it. The sequences
 * of pictures that the full rules join count as several.
 */
export class Segmenter {
  segment(text: string): ReadonlyArray<{ readonly segment: string; readonly index: number }> {
    return Array.from(text.matchAll(/\r\n|\P{M}\p{M}*|\p{M}+/gsu), (match) => ({
      segment: match[0],
      index: match.index
    }))
  }
}
