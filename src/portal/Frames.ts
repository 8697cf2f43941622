/**
 * Frames, as `src/native/fim/src/portal/frame.rs` has them: a mark, the length of the payload (32 bits, little endian), the
 * payload. The mark begins with a byte that UTF-8 never has, so a frame that was cut ends where the next one begins.
 */
import * as Bytes from "effect/Bytes"
import { viewOf } from "../View.ts"

const mark = Uint8Array.of(0xff, 0x46, 0x49, 0x4d)
const headerSize = 8

/** Largest payload of a message between guest and host, in bytes. */
export const limit = 8 * 1024 * 1024
/** Largest payload of a decision: it holds the environment of the host. */
export const decisionLimit = 16 * 1024 * 1024

/** A payload with its header; `undefined` when it is empty, above `most` bytes, or has the byte that UTF-8 never has. */
export const encode = (payload: Uint8Array, most: number): Uint8Array | undefined => {
  if (payload.length === 0 || payload.length > most || payload.includes(0xff)) return undefined
  const frame = new Uint8Array(headerSize + payload.length)
  frame.set(mark)
  viewOf(frame).setUint32(mark.length, payload.length, true)
  frame.set(payload, headerSize)
  return frame
}

/** Finds frames in a stream of bytes. It never keeps more than one frame of the largest size and what was pushed last. */
export interface Decoder {
  /** Takes bytes and gives the payloads of the frames that they complete. */
  readonly push: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>
}

/** Where a mark begins, or what may become one at the end of the bytes; their length if there is none. */
const findMark = (bytes: Uint8Array): number => {
  for (let at = bytes.indexOf(0xff); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    if (bytes.subarray(at, at + mark.length).every((byte, index) => byte === mark[index])) return at
  }
  return bytes.length
}

/** Payloads above `most` bytes are passed over like garbage. */
export const makeDecoder = (most: number): Decoder => {
  // Joined when somebody looks at them: a large frame comes in many pieces.
  let pieces: Array<Uint8Array> = []
  let buffered = 0
  let needed = headerSize
  const next = (bytes: Uint8Array): { readonly payload?: Uint8Array; readonly rest: Uint8Array } => {
    let rest = bytes
    while (true) {
      rest = rest.subarray(findMark(rest))
      needed = headerSize
      if (rest.length < headerSize) return { rest }
      const length = viewOf(rest).getUint32(mark.length, true)
      if (length === 0 || length > most) {
        rest = rest.subarray(1)
        continue
      }
      const end = headerSize + length
      const cut = rest.subarray(headerSize, end).indexOf(0xff)
      if (cut >= 0) {
        rest = rest.subarray(headerSize + cut)
        continue
      }
      needed = end
      if (rest.length < end) return { rest }
      return { payload: rest.subarray(headerSize, end), rest: rest.subarray(end) }
    }
  }
  return {
    push: (bytes) => {
      // Whoever reads may use the same memory again.
      const piece = new Uint8Array(bytes)
      pieces.push(piece)
      buffered += piece.length
      // Nothing can be complete yet, unless a mark cuts the frame that was begun.
      if (buffered < needed && !piece.includes(0xff)) return []
      const payloads: Array<Uint8Array> = []
      let rest: Uint8Array = pieces.length === 1 ? piece : Bytes.concat(pieces)
      while (true) {
        const found = next(rest)
        rest = found.rest
        if (found.payload === undefined) break
        payloads.push(found.payload)
      }
      pieces = rest.length === 0 ? [] : [rest]
      buffered = rest.length
      return payloads
    }
  }
}
