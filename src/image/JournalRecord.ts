/**
 * The bytes of a record of the journal: a header with its digest, and patches as payload. Pure. `Journal` describes when
 * records are written.
 */
import * as Result from "effect/Result"
import { digest, type Shape as Native } from "../platform/NativeBytes.ts"
import { viewOf } from "../View.ts"
import { journal, reservedSize } from "./ReservedLayout.ts"

/** New bytes for a place in the reserved space: `data`, then zeros up to `length`. */
export interface Patch {
  readonly offset: number
  readonly length: number
  readonly data: Uint8Array
}

/** The content of the header; `valid` is whether its digest matches. */
export interface Header {
  readonly valid: boolean
  readonly sequence: bigint
  readonly settled: bigint
  /** Offset of the payload, from the start of the reserved space. */
  readonly position: number
  readonly length: number
  readonly digest: Uint8Array
}

/** Size of the header, with which the journal begins, in bytes. */
export const headerSize = 104
/** Offset in the journal of a payload that fits into it. */
export const payloadOffset = 128
/** Offset in the journal of the sequence of the settled record. */
export const settledOffset = 96
const magic = Uint8Array.from("FIMJRNL1", (letter) => letter.charCodeAt(0))
const tailMagic = Uint8Array.from("FIMJTAIL", (letter) => letter.charCodeAt(0))

/** Size of what is before the payload in a tail: a size of 0, which ends the layers; the magic; the sequence number. */
export const tailHeaderSize = 24

/** Runs of zeros of this length are not stored. */
const zeroRun = 64
const patchHeaderSize = 12

/** Blocks of zeros of this length are found by native code. */
const zeros = new Uint8Array(4096)

/** Decodes the header of the journal, whatever its bytes. */
export const parseHeader = (native: Native, bytes: Uint8Array): Header => {
  const view = viewOf(bytes)
  const position = view.getBigUint64(16, true)
  const length = view.getBigUint64(24, true)
  const sane = native.equal(bytes.subarray(0, 8), magic) && length <= BigInt(reservedSize) &&
    position <= BigInt(Number.MAX_SAFE_INTEGER)
  return {
    valid: sane && native.equal(digest(native, "sha256", bytes.subarray(0, 64)), bytes.subarray(64, settledOffset)),
    sequence: view.getBigUint64(8, true),
    settled: view.getBigUint64(settledOffset, true),
    position: sane ? Number(position) : 0,
    length: sane ? Number(length) : 0,
    digest: bytes.slice(32, 64)
  }
}

/** Whether the payload has to be read. Cheap, because every start calls it. */
export const mayBePending = (header: Header): boolean => header.valid && header.sequence !== header.settled

/** Encodes a header. `settled` is the sequence number of the last record whose bytes are all at their places. */
export const encodeHeader = (native: Native, header: {
  readonly sequence: bigint
  readonly settled: bigint
  readonly position: number
  readonly payload: Uint8Array
}): Uint8Array => {
  const bytes = new Uint8Array(headerSize)
  const view = viewOf(bytes)
  bytes.set(magic)
  view.setBigUint64(8, header.sequence, true)
  view.setBigUint64(16, BigInt(header.position), true)
  view.setBigUint64(24, BigInt(header.payload.length), true)
  bytes.set(digest(native, "sha256", header.payload), 32)
  bytes.set(digest(native, "sha256", bytes.subarray(0, 64)), 64)
  view.setBigUint64(settledOffset, header.settled, true)
  return bytes
}

/** The patches that fill `bytes.length` bytes at `offset`, without the zeros. */
export const patchesOf = (native: Native, offset: number, bytes: Uint8Array): ReadonlyArray<Patch> => {
  const patches: Array<Patch> = []
  let start = 0
  while (start < bytes.length) {
    let end = start
    let next = start
    // From one zero to the next byte that is not zero, until there are enough zeros.
    while (next < bytes.length && next - end < zeroRun) {
      const zero = bytes.indexOf(0, next)
      end = zero < 0 ? bytes.length : zero
      next = end
      while (next < bytes.length && next - end < zeroRun && bytes[next] === 0) next++
    }
    while (next + zeros.length <= bytes.length && native.equal(bytes.subarray(next, next + zeros.length), zeros)) {
      next += zeros.length
    }
    while (next < bytes.length && bytes[next] === 0) next++
    patches.push({ offset: offset + start, length: next - start, data: bytes.subarray(start, end) })
    start = next
  }
  return patches
}

/** Encodes patches as the payload of a record. */
export const encodePayload = (patches: ReadonlyArray<Patch>): Uint8Array => {
  const bytes = new Uint8Array(patches.reduce((sum, patch) => sum + patchHeaderSize + patch.data.length, 4))
  const view = viewOf(bytes)
  view.setUint32(0, patches.length, true)
  let at = 4
  for (const patch of patches) {
    view.setUint32(at, patch.offset, true)
    view.setUint32(at + 4, patch.length, true)
    view.setUint32(at + 8, patch.data.length, true)
    bytes.set(patch.data, at + patchHeaderSize)
    at += patchHeaderSize + patch.data.length
  }
  return bytes
}

/**
 * The patches of a pending record. Fails with the reason if there is none: the payload is torn, or is outside the settings.
 */
export const decodePayload = (
  native: Native,
  header: Header,
  bytes: Uint8Array
): Result.Result<ReadonlyArray<Patch>, string> => {
  if (!mayBePending(header)) return Result.fail("settled")
  if (bytes.length !== header.length || !native.equal(digest(native, "sha256", bytes), header.digest)) {
    return Result.fail("torn")
  }
  const view = viewOf(bytes)
  const patches: Array<Patch> = []
  let at = 4
  for (let left = bytes.length < 4 ? 0 : view.getUint32(0, true); left > 0; left--) {
    if (at + patchHeaderSize > bytes.length) return Result.fail("short")
    const offset = view.getUint32(at, true)
    const length = view.getUint32(at + 4, true)
    const size = view.getUint32(at + 8, true)
    at += patchHeaderSize
    if (size > length || at + size > bytes.length || offset + length > journal.offset) return Result.fail("outside")
    patches.push({ offset, length, data: bytes.subarray(at, at + size) })
    at += size
  }
  return Result.succeed(patches)
}

/** Applies patches to bytes that were read at `offset` of the reserved space. */
export const overlay = (bytes: Uint8Array, offset: number, patches: ReadonlyArray<Patch>): void => {
  for (const patch of patches) {
    const from = Math.max(patch.offset, offset)
    const to = Math.min(patch.offset + patch.length, offset + bytes.length)
    if (from >= to) continue
    bytes.fill(0, from - offset, to - offset)
    const dataEnd = Math.min(patch.offset + patch.data.length, to)
    if (from < dataEnd) bytes.set(patch.data.subarray(from - patch.offset, dataEnd - patch.offset), from - offset)
  }
}

/** The bytes that mark the record with this sequence number as settled. */
export const encodeSettled = (sequence: bigint): Uint8Array => {
  const bytes = new Uint8Array(8)
  viewOf(bytes).setBigUint64(0, sequence, true)
  return bytes
}

/** The offset in the file at which the tail of a record begins; `undefined` if it has no tail. */
export const tailStart = (reservedOffset: number, header: Header): number | undefined =>
  header.valid && header.position >= reservedSize + tailHeaderSize
    ? reservedOffset + header.position - tailHeaderSize
    : undefined

/** The first bytes of a tail. */
export const tailHeader = (sequence: bigint): Uint8Array => {
  const bytes = new Uint8Array(tailHeaderSize)
  bytes.set(tailMagic, 8)
  viewOf(bytes).setBigUint64(16, sequence, true)
  return bytes
}
