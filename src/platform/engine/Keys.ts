/** Keys of a terminal, from what it sends for them. */
import * as Option from "effect/Option"
import type * as Terminal from "effect/Terminal"

const named: Readonly<Record<string, string>> = {
  "\r": "return",
  "\n": "enter",
  "\t": "tab",
  "\b": "backspace",
  "\u007f": "backspace",
  "\u001b": "escape",
  " ": "space"
}

/** By the letter or number that ends the sequence. */
const sequences: Readonly<Record<string, string>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  F: "end",
  H: "home",
  Z: "tab",
  "1~": "home",
  "2~": "insert",
  "3~": "delete",
  "4~": "end",
  "5~": "pageup",
  "6~": "pagedown"
}

const key = (name: string, input: string, changes: Partial<Terminal.Key> = {}): Terminal.UserInput => ({
  input: Option.some(input),
  key: { name, ctrl: false, meta: false, shift: false, ...changes }
})

const ofCharacter = (character: string): Terminal.UserInput => {
  const name = named[character]
  if (name !== undefined) return key(name, character)
  if (character < " ") return key(String.fromCharCode(character.charCodeAt(0) + 0x60), character, { ctrl: true })
  return key(character.toLowerCase(), character, { shift: character !== character.toLowerCase() })
}

/** The keys that a piece of input stands for. An escape sequence comes whole. */
export const keysOf = (text: string): ReadonlyArray<Terminal.UserInput> =>
  Array.from(
    // eslint-disable-next-line no-control-regex
    text.matchAll(/\u001b[[O](?:[0-9;]*)([A-Za-z~])|\u001b(?=.)(.)|./gsu),
    ([whole, last, meta]): Terminal.UserInput => {
      if (meta !== undefined) {
        const { input, key } = ofCharacter(meta)
        return { input, key: { ...key, meta: true } }
      }
      if (last === undefined) return ofCharacter(whole)
      const number = last === "~" ? `${/\d+/.exec(whole)?.[0] ?? ""}~` : last
      const modifier = Number(/;(\d+)/.exec(whole)?.[1] ?? 1) - 1
      return key(sequences[number] ?? "", whole, {
        shift: last === "Z" || (modifier & 1) !== 0,
        meta: (modifier & 2) !== 0,
        ctrl: (modifier & 4) !== 0
      })
    }
  )
