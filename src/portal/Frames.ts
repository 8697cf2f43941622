/**
 * Frames, as `src/native/fim/src/portal/frame.rs` has them: a mark, the length of the payload (32 bits, little endian), the
 * payload. The mark begins with a byte that UTF-8 never has, so a frame that was cut ends where the next one begins.
 */
const mark = Buffer.from([0xff, 0x46, 0x49, 0x4d])
const headerSize = 8

/** Largest payload of a message between guest and host, in bytes. */
export const limit = 8 * 1024 * 1024
/** Largest payload of a decision: it holds the environment of the host. */
export const decisionLimit = 16 * 1024 * 1024

/** A payload with its header; `undefined` when it is empty, above `most` bytes, or has the byte that UTF-8 never has. */
export const encode = (payload: Uint8Array, most: number): Uint8Array | undefined => {
  if (payload.length === 0 || payload.length > most || payload.includes(0xff)) return undefined
  const frame = Buffer.alloc(headerSize + payload.length)
  mark.copy(frame)
  frame.writeUInt32LE(payload.length, mark.length)
  frame.set(payload, headerSize)
  return frame
}

/** Finds frames in a stream of bytes. It never keeps more than one frame of the largest size and what was pushed last. */
export interface Decoder {
  /** Takes bytes and gives the payloads of the frames that they complete. */
  readonly push: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>
}

/** Where a mark begins, or what may become one at the end of the bytes; their length if there is none. */
const findMark = (bytes: Buffer): number => {
  for (let at = bytes.indexOf(0xff); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const length = Math.min(mark.length, bytes.length - at)
    if (bytes.subarray(at, at + length).equals(mark.subarray(0, length))) return at
  }
  return bytes.length
}

/** Payloads above `most` bytes are passed over like garbage. */
export const makeDecoder = (most: number): Decoder => {
  // Joined when somebody looks at them: a large frame comes in many pieces.
  let pieces: Array<Buffer> = []
  let buffered = 0
  let needed = headerSize
  const next = (buffer: Buffer): { readonly payload?: Buffer; readonly rest: Buffer } => {
    let rest = buffer
    while (true) {
      rest = rest.subarray(findMark(rest))
      needed = headerSize
      if (rest.length < headerSize) return { rest }
      const length = rest.readUInt32LE(mark.length)
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
      const piece = Buffer.from(bytes)
      pieces.push(piece)
      buffered += piece.length
      // Nothing can be complete yet, unless a mark cuts the frame that was begun.
      if (buffered < needed && !piece.includes(0xff)) return []
      const payloads: Array<Uint8Array> = []
      let rest: Buffer = pieces.length === 1 ? piece : Buffer.concat(pieces, buffered)
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
