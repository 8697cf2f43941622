/** Bytes as text of the characters U+0000 to U+00FF, the form in which JSON carries what need not be UTF-8. */
import * as Utf8 from "./Utf8.ts"

// A call takes so many arguments in every engine.
const most = 8192

const characters = (bytes: Uint8Array): string => {
  let text = ""
  for (let at = 0; at < bytes.length; at += most) text += String.fromCharCode(...bytes.subarray(at, at + most))
  return text
}

/** One character for each byte. */
export const ofBytes = (bytes: Uint8Array): string => {
  // Nearly all there is to carry is ASCII, which native code decodes.
  const text = Utf8.decode(bytes)
  return text.length === bytes.length && !text.includes("\ufffd") ? text : characters(bytes)
}

/** Lone surrogates, each of which stands for a byte that is no part of a character (PEP 383): so images see names and variables. */
const strayBytes = /([\udc80-\udcff]+)/u

const ofStray = (text: string): string =>
  Array.from(text, (character) => String.fromCharCode(character.charCodeAt(0) - 0xdc00)).join("")

/** One character for each byte that a text has in UTF-8, and for each byte that a lone surrogate stands for. */
export const ofText = (text: string): string => {
  const bytes = Utf8.encode(text)
  if (bytes.length === text.length) return text
  return text.split(strayBytes)
    .map((part, index) => index % 2 === 0 ? characters(Utf8.encode(part)) : ofStray(part))
    .join("")
}

/** The bytes that the characters stand for; the low 8 bits of what is none of them. */
export const toBytes = (text: string): Uint8Array<ArrayBuffer> => {
  const ascii = Utf8.encode(text)
  if (ascii.length === text.length) return ascii
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index)
  return bytes
}
