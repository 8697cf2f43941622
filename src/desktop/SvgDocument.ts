/**
 * Prepares an SVG document for a parser that knows only UTF-8 and no document types. Programs such as Illustrator declare entities in
 * the document type, and write other encodings. The document itself is stored as it is. Pure.
 */

/** Encodings whose characters below U+0100 are single bytes of the same number, as far as a check of tags needs. */
const singleByte = /^(?:us-ascii|iso-?8859-\d{1,2}|latin-?\d|windows-125\d|cp125\d)$/i

/** The declaration of an encoding in the first bytes, which are ASCII in all encodings but those of UTF-16. */
const declared = (bytes: Uint8Array): string => {
  const start = String.fromCharCode(...bytes.subarray(0, 200))
  return /^(?:\u00ef\u00bb\u00bf)?\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.-]+)["']/.exec(start)?.[1] ?? "utf-8"
}

const utf16 = (bytes: Uint8Array, little: boolean): string => {
  const units: Array<string> = []
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const [first = 0, second = 0] = [bytes[at], bytes[at + 1]]
    units.push(String.fromCharCode(little ? second * 256 + first : first * 256 + second))
  }
  return units.join("")
}

/** The text of a document; `undefined` for an unknown encoding, and for bytes that are not of the declared one. */
const textOf = (bytes: Uint8Array): string | undefined => {
  const [first, second, third] = bytes
  if (first === 0xff && second === 0xfe) return utf16(bytes.subarray(2), true)
  if (first === 0xfe && second === 0xff) return utf16(bytes.subarray(2), false)
  if (first === 0x3c && second === 0 && third === 0x3f) return utf16(bytes, true)
  if (first === 0 && second === 0x3c) return utf16(bytes, false)
  const encoding = declared(bytes)
  if (singleByte.test(encoding)) return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")
  if (!/^utf-?8$/i.test(encoding)) return undefined
  const text = new TextDecoder("utf-8").decode(bytes)
  return text.includes("\uFFFD") ? undefined : text
}

/** The end of what begins at `at`: a quoted text, a comment, an instruction, or a declaration with its subset in brackets. */
const endOf = (text: string, at: number): number => {
  const behind = (mark: string, from: number) => {
    const found = text.indexOf(mark, from)
    return found < 0 ? text.length : found + mark.length
  }
  if (text.startsWith("<!--", at)) return behind("-->", at + 4)
  if (text.startsWith("<?", at)) return behind("?>", at + 2)
  let depth = 0
  for (let here = at; here < text.length;) {
    const sign = text[here]
    if (sign === "\"" || sign === "'") here = behind(sign, here + 1)
    else if (text.startsWith("<!--", here)) here = behind("-->", here + 4)
    else if (text.startsWith("<?", here)) here = behind("?>", here + 2)
    else {
      if (sign === "<" || sign === "[") depth++
      if (sign === ">" || sign === "]") depth--
      here++
      if (depth === 0) return here
    }
  }
  return text.length
}

/**
 * The document without its declarations, and without the entities that they declare.
 *
 * @returns `undefined` if its encoding is not known
 */
export const plainDocument = (bytes: Uint8Array): string | undefined => {
  const text = textOf(bytes)?.replace(/^\uFEFF/, "")
  if (text === undefined) return undefined
  const entities = new Set<string>()
  let at = 0
  let type: readonly [from: number, to: number] = [0, 0]
  while (at < text.length) {
    at += /^\s*/.exec(text.slice(at, at + 65_536))?.[0].length ?? 0
    if (!/^<[!?]/.test(text.slice(at, at + 2))) break
    const end = endOf(text, at)
    const part = text.slice(at, end)
    if (part.startsWith("<!DOCTYPE")) {
      type = [at, end]
      for (const [, name] of part.matchAll(/<!ENTITY\s+([\w.:-]+)\s/g)) if (name !== undefined) entities.add(name)
    }
    at = end
  }
  return `${text.slice(0, type[0])}${text.slice(type[1])}`
    .replace(/^\s*<\?xml[^>]*\?>/, "")
    .replaceAll(/&([\w.:-]+);/g, (reference, name: string) => entities.has(name) ? "" : reference)
}
