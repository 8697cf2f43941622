/**
 * The one form of messages between processes, as in `src/native/messages/src/lib.rs`: a line with a JSON object, and for messages with a
 * body a space, its length, and the body behind the line. `{…}\n`, or `{…} 5\nbytes`. Empty lines between messages mean nothing. Pure.
 */
import * as Bytes from "effect/Bytes"
import * as Utf8 from "../Utf8.ts"

/** The most bytes that are accepted of a line without its end, and behind it. */
export interface Limits {
  readonly head: number
  readonly body: number
}

/** A message. `head` begins and ends as a JSON object does; its schema checks the rest. */
export interface Message {
  readonly _tag: "Message"
  readonly head: string
  readonly body: Uint8Array
}

/** Bytes that are not a message: a line or a body that is too long, a line that is not an object, or text that is not UTF-8. */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly reason: "head" | "body" | "line" | "content"
  /** How the line begins. */
  readonly begin: string
}

const newline = 10
const open = 0x7b
const close = 0x7d
const empty = new Uint8Array(0)
/** How much of a malformed line is kept. */
const kept = 200

/**
 * Encodes a message.
 *
 * @param head its fields
 * @param body bytes that belong to it
 */
export const encode = (head: object, body: Uint8Array = empty): Uint8Array =>
  body.length === 0
    ? Utf8.encode(`${JSON.stringify(head)}\n`)
    : Bytes.concat([Utf8.encode(`${JSON.stringify(head)} ${body.length}\n`), body])

/** Finds messages in a stream of bytes. It buffers at most one message of the largest size and the last piece. */
export interface Decoder {
  /**
   * Adds bytes of the stream.
   *
   * @param bytes the next piece; it is copied
   * @returns what is now complete. Each line that is not a message is reported once, and passed over.
   */
  readonly push: (bytes: Uint8Array) => ReadonlyArray<Message | Malformed>
  /** Whether the stream can end here without loss. */
  readonly isEmpty: () => boolean
}

const malformed = (reason: Malformed["reason"], line: Uint8Array): Malformed => ({
  _tag: "Malformed",
  reason,
  begin: Utf8.decode(line.subarray(0, kept))
})

/** The head in a line, and the length of its body. */
const split = (line: Uint8Array): { readonly head: Uint8Array; readonly length: number } | undefined => {
  if (line.at(-1) === close) return { head: line, length: 0 }
  const space = line.lastIndexOf(0x20)
  const digits = Utf8.decode(line.subarray(space + 1))
  if (space < 1 || line[space - 1] !== close || !/^[1-9]\d{0,9}$/.test(digits)) return undefined
  return { head: line.subarray(0, space), length: Number(digits) }
}

/** Text in UTF-8, or nothing if it is not. */
const textOf = (bytes: Uint8Array): string | undefined => {
  const text = Utf8.decode(bytes)
  if (!text.includes("\ufffd")) return text
  const again = Utf8.encode(text)
  return again.length === bytes.length && again.every((byte, index) => byte === bytes[index]) ? text : undefined
}

/**
 * Creates a decoder.
 *
 * @param limits the largest line, and the largest body
 * @returns an empty decoder
 */
export const makeDecoder = (limits: Limits): Decoder => {
  // Joined only when needed: a large message arrives in many pieces.
  let pieces: Array<Uint8Array> = []
  let buffered = 0
  // Of the message that is being received; 0 until the end of its line was found.
  let needed = 0
  let isPassing = false
  const fits = (piece: Uint8Array): boolean =>
    needed > 0
      ? buffered < needed
      : buffered > piece.length && buffered <= limits.head && !piece.includes(newline)

  /** What is at the start, and how many bytes it has. */
  const next = (rest: Uint8Array): { readonly found: Message | Malformed; readonly length: number } | undefined => {
    const end = rest.indexOf(newline)
    const line = end < 0 ? rest : rest.subarray(0, end)
    if (rest[0] !== open) return { found: malformed("line", line), length: line.length }
    if (line.length > limits.head) return { found: malformed("head", line), length: line.length }
    if (end < 0) return undefined
    const parts = split(line)
    if (parts === undefined) return { found: malformed("line", line), length: end }
    if (parts.length > limits.body) return { found: malformed("body", line), length: end }
    const length = end + 1 + parts.length
    if (rest.length < length) {
      needed = length
      return undefined
    }
    const head = textOf(parts.head)
    const found = head === undefined
      ? malformed("content", line)
      : { _tag: "Message", head, body: rest.subarray(end + 1, length) } as const
    return { found, length }
  }
  return {
    isEmpty: () => buffered === 0 && !isPassing,
    push: (bytes) => {
      // The reader may reuse its buffer.
      const piece = new Uint8Array(bytes)
      pieces.push(piece)
      buffered += piece.length
      if (fits(piece)) return []
      needed = 0
      const found: Array<Message | Malformed> = []
      let rest: Uint8Array = pieces.length === 1 ? piece : Bytes.concat(pieces)
      while (true) {
        if (isPassing) {
          const end = rest.indexOf(newline)
          isPassing = end < 0
          rest = isPassing ? empty : rest.subarray(end)
        }
        while (rest[0] === newline) rest = rest.subarray(1)
        const step = rest.length === 0 ? undefined : next(rest)
        if (step === undefined) break
        found.push(step.found)
        isPassing = step.found._tag === "Malformed" && step.found.reason !== "content"
        rest = rest.subarray(step.length)
      }
      pieces = rest.length === 0 ? [] : [rest]
      buffered = rest.length
      return found
    }
  }
}
