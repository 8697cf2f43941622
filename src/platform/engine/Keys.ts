/** Parses a terminal's input into keys, with Node's names, which Effect's prompts expect. */
import * as Option from "effect/Option"
import type * as Terminal from "effect/Terminal"

const named: Readonly<Record<string, string>> = {
  "\r": "return",
  "\n": "enter",
  "\t": "tab",
  "\b": "backspace",
  "\u007f": "backspace",
  " ": "space"
}

/** Names of keys by the letter or number that ends their sequence. */
const sequences: Readonly<Record<string, string>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  F: "end",
  H: "home",
  P: "f1",
  Q: "f2",
  R: "f3",
  S: "f4",
  Z: "tab",
  "1~": "home",
  "2~": "insert",
  "3~": "delete",
  "4~": "end",
  "5~": "pageup",
  "6~": "pagedown",
  "11~": "f1",
  "12~": "f2",
  "13~": "f3",
  "14~": "f4",
  "15~": "f5",
  "17~": "f6",
  "18~": "f7",
  "19~": "f8",
  "20~": "f9",
  "21~": "f10",
  "23~": "f11",
  "24~": "f12"
}

const lastControl = "\u001a"

const keyOf = (name: string, changes: Partial<Terminal.Key> = {}): Terminal.Key => ({
  name,
  ctrl: false,
  meta: false,
  shift: false,
  ...changes
})

/** Other keys have no name; their text identifies them. */
const ofCharacter = (character: string): Terminal.Key => {
  const name = named[character]
  if (name !== undefined) return keyOf(name)
  if (character <= lastControl) return keyOf(String.fromCharCode(character.charCodeAt(0) + 0x60), { ctrl: true })
  if (/^[a-z0-9]$/i.test(character)) return keyOf(character.toLowerCase(), { shift: /[A-Z]/.test(character) })
  return keyOf("")
}

/** A key without text. */
const silent = (key: Terminal.Key): Terminal.UserInput => ({ input: Option.none(), key })

/** The keys in a piece of input. An escape sequence always arrives as a whole. */
export const keysOf = (text: string): ReadonlyArray<Terminal.UserInput> =>
  Array.from(
    // eslint-disable-next-line no-control-regex
    text.matchAll(/\u001b[[O](?:[0-9;]*)([A-Za-z~])|\u001b(?=.)(.)|./gsu),
    ([whole, last, meta]): Terminal.UserInput => {
      if (meta !== undefined) return silent({ ...ofCharacter(meta), meta: true })
      // Without a following character, it is the key itself.
      if (whole === "\u001b") return silent(keyOf("escape", { meta: true }))
      if (last === undefined) return { input: Option.some(whole), key: ofCharacter(whole) }
      const number = last === "~" ? `${/\d+/.exec(whole)?.[0] ?? ""}~` : last
      const modifier = Number(/;(\d+)/.exec(whole)?.[1] ?? 1) - 1
      return silent(keyOf(sequences[number] ?? "", {
        shift: last === "Z" || (modifier & 1) !== 0,
        meta: (modifier & 2) !== 0,
        ctrl: (modifier & 4) !== 0
      }))
    }
  )
