/**
 * Names come from images, layers, archives, registries, recipes and guests. Before they are printed, what moves the cursor of a
 * terminal, forges a line or turns the direction of text is escaped; as `src/native/console` does.
 */

/** All controls but tabs, ends of lines of Unicode, and what sets the direction of text. */
const strange = /(?!\t)[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r" }

const escaped = (character: string): string => {
  const code = character.charCodeAt(0)
  return short[character] ??
    (code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`)
}

/** Text as a part of a line. */
export const printable = (text: string): string => text.replace(strange, escaped)

/** JSON that a terminal shows as it is: the same value, with escapes for what JSON itself leaves alone. Its own newlines stay. */
export const printableJson = (json: string): string =>
  json.replace(
    strange,
    (character) => character === "\n" ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
