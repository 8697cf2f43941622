import * as Result from "effect/Result"

const magic = 0xfd2fb528
const skippableMagic = 0x184d2a50

// Size of a field in bytes, by the two bits that select it.
const dictionaryWidths = [0, 1, 2, 4]
const contentSizeWidths = [0, 2, 4, 8]

/** The offset at which the frame that begins at `start` ends, or the reason why it is not valid. */
const frameEnd = (view: DataView, start: number): Result.Result<number, string> => {
  const cutOff = Result.fail("its zstd data is cut off")
  const size = view.byteLength
  if (start + 5 > size) return cutOff
  const first = view.getUint32(start, true)
  if ((first & 0xfffffff0) >>> 0 === skippableMagic) {
    if (start + 8 > size) return cutOff
    const end = start + 8 + view.getUint32(start + 4, true)
    return end > size ? cutOff : Result.succeed(end)
  }
  if (first !== magic) return Result.fail("is not zstd data")
  const descriptor = view.getUint8(start + 4)
  const singleSegment = (descriptor & 0x20) !== 0
  const contentSizeWidth = singleSegment && descriptor >> 6 === 0 ? 1 : contentSizeWidths[descriptor >> 6] ?? 0
  let at = start + 5 + (singleSegment ? 0 : 1) + (dictionaryWidths[descriptor & 3] ?? 0) + contentSizeWidth
  while (true) {
    if (at + 3 > size) return cutOff
    const block = view.getUint8(at) | view.getUint8(at + 1) << 8 | view.getUint8(at + 2) << 16
    const type = block >> 1 & 3
    if (type === 3) return Result.fail("its zstd data has an unknown block")
    // A block of type 1 is one byte that is repeated.
    at += 3 + (type === 1 ? 1 : block >> 3)
    if ((block & 1) !== 0) break
  }
  if ((descriptor & 4) !== 0) at += 4
  return at > size ? cutOff : Result.succeed(at)
}

/**
 * Splits zstd data into its frames, for decoders that take one at a time.
 *
 * @param bytes any bytes
 * @returns the frames, which together are all of the bytes, or the reason why they are not valid zstd data
 */
export const splitFrames = (bytes: Uint8Array): Result.Result<ReadonlyArray<Uint8Array>, string> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const frames: Array<Uint8Array> = []
  let start = 0
  while (start < bytes.length) {
    const end = frameEnd(view, start)
    if (Result.isFailure(end)) return Result.fail(end.failure)
    frames.push(bytes.subarray(start, end.success))
    start = end.success
  }
  return frames.length === 0 ? Result.fail("has no zstd data") : Result.succeed(frames)
}
