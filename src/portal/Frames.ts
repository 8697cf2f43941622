/**
 * Frames, as in `src/native/fim/src/portal/frame.rs`: a mark, the length of the payload (32 bits, little endian), the
 * payload. The mark begins with a byte that never occurs in UTF-8, so a truncated frame ends where the next one begins.
 */
import * as Bytes from "effect/Bytes"
import { viewOf } from "../View.ts"

const mark = Uint8Array.of(0xff, 0x46, 0x49, 0x4d)
const headerSize = 8

/** Largest payload of a message between guest and host, in bytes. */
export const limit = 8 * 1024 * 1024
/** Largest payload of a decision: it holds the environment of the host. */
export const decisionLimit = 16 * 1024 * 1024

/**
 * Encodes a frame.
 *
 * @param payload UTF-8
 * @param maxLength the largest payload, in bytes
 * @returns the payload with its header; `undefined` if it is empty, larger than `maxLength`, or contains the byte 0xFF
 */
export const encode = (payload: Uint8Array, maxLength: number): Uint8Array | undefined => {
  if (payload.length === 0 || payload.length > maxLength || payload.includes(0xff)) return undefined
  const frame = new Uint8Array(headerSize + payload.length)
  frame.set(mark)
  viewOf(frame).setUint32(mark.length, payload.length, true)
  frame.set(payload, headerSize)
  return frame
}

/** Finds frames in a stream of bytes. It buffers at most one frame of the largest size and the last piece. */
export interface Decoder {
  /**
   * Adds bytes of the stream.
   *
   * @param bytes the next piece; it is copied
   * @returns the payloads of the frames that are now complete
   */
  readonly push: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>
}

/** Offset of the first mark, or of a partial one at the end of the bytes; their length if there is none. */
const findMark = (bytes: Uint8Array): number => {
  for (let at = bytes.indexOf(0xff); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    if (bytes.subarray(at, at + mark.length).every((byte, index) => byte === mark[index])) return at
  }
  return bytes.length
}

/**
 * Creates a decoder.
 *
 * @param maxLength the largest payload, in bytes; larger ones are skipped like garbage
 * @returns an empty decoder
 */
export const makeDecoder = (maxLength: number): Decoder => {
  // Joined only when needed: a large frame arrives in many pieces.
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
      if (length === 0 || length > maxLength) {
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
      // The reader may reuse its buffer.
      const piece = new Uint8Array(bytes)
      pieces.push(piece)
      buffered += piece.length
      // No frame can be complete yet, unless a mark truncates the current one.
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
