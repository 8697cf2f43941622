/**
 * How settings are written so that a kill or a power cut leaves the old or the new ones. Pure: bytes in, stages out.
 *
 * A record in the journal holds the new bytes before they are written to their places. It is *pending* from the moment it is
 * complete until its sequence number is marked as settled; readers lay a pending record over what they read, and the next
 * writer copies it to its places again. A record that is torn does not have its digest: then nothing else was written yet.
 */
import * as Result from "effect/Result"
// The codec is synchronous and pure; Effect's digest is a service.
// @effect-diagnostics-next-line nodeBuiltinImport:off
import { createHash } from "node:crypto"
import { journal, reservedSize } from "./ReservedLayout.ts"

/** Bytes for a place in the reserved space: `data`, then zeros up to `length`. */
export interface Patch {
  readonly offset: number
  readonly length: number
  readonly data: Uint8Array
}

/** What the header says; `valid` is whether it has its digest. */
export interface Header {
  readonly valid: boolean
  readonly sequence: bigint
  readonly settled: bigint
  /** Where the payload stands, counted from the start of the reserved space. */
  readonly position: number
  readonly length: number
  readonly digest: Uint8Array
}

/** One opening of the file for writing: all writes, then it is closed, then (`sync`) on the disk before the next stage. */
export type Stage =
  | { readonly _tag: "Write"; readonly sync: boolean; readonly writes: ReadonlyArray<Write> }
  | { readonly _tag: "Truncate"; readonly length: number }

export interface Write {
  /** Counted from the start of the file. */
  readonly offset: number
  readonly bytes: Uint8Array
}

export const headerSize = 104
const payloadOffset = 128
const settledOffset = 96
const magic = Uint8Array.from("FIMJRNL1", (letter) => letter.charCodeAt(0))
const tailMagic = Uint8Array.from("FIMJTAIL", (letter) => letter.charCodeAt(0))

/** A size of 0, which ends the layers; then the magic and the sequence number; then the payload. */
export const tailHeaderSize = 24

/** Runs of zeros of this length are not stored. */
const zeroRun = 64
const patchHeaderSize = 12

const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest()

const equal = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((byte, index) => byte === right[index])

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export const parseHeader = (bytes: Uint8Array): Header => {
  const view = viewOf(bytes)
  const position = view.getBigUint64(16, true)
  const length = view.getBigUint64(24, true)
  const sane = equal(bytes.subarray(0, 8), magic) && length <= BigInt(reservedSize) &&
    position <= BigInt(Number.MAX_SAFE_INTEGER)
  return {
    valid: sane && equal(sha256(bytes.subarray(0, 64)), bytes.subarray(64, settledOffset)),
    sequence: view.getBigUint64(8, true),
    settled: view.getBigUint64(settledOffset, true),
    position: sane ? Number(position) : 0,
    length: sane ? Number(length) : 0,
    digest: bytes.slice(32, 64)
  }
}

/** Cheap, for every start: whether the payload has to be looked at. */
export const mayBePending = (header: Header): boolean => header.valid && header.sequence !== header.settled

const encodeHeader = (header: Omit<Header, "valid">): Uint8Array => {
  const bytes = new Uint8Array(headerSize)
  const view = viewOf(bytes)
  bytes.set(magic)
  view.setBigUint64(8, header.sequence, true)
  view.setBigUint64(16, BigInt(header.position), true)
  view.setBigUint64(24, BigInt(header.length), true)
  bytes.set(header.digest, 32)
  bytes.set(sha256(bytes.subarray(0, 64)), 64)
  view.setBigUint64(settledOffset, header.settled, true)
  return bytes
}

/** The patches that fill `bytes.length` bytes at `offset`, without the zeros. */
export const patchesOf = (offset: number, bytes: Uint8Array): ReadonlyArray<Patch> => {
  const patches: Array<Patch> = []
  let start = 0
  while (start < bytes.length) {
    let end = start
    let next = start
    while (next < bytes.length && next - end < zeroRun) {
      if (bytes[next] !== 0) end = next + 1
      next++
    }
    while (next < bytes.length && bytes[next] === 0) next++
    patches.push({ offset: offset + start, length: next - start, data: bytes.subarray(start, end) })
    start = next
  }
  return patches
}

const encodePayload = (patches: ReadonlyArray<Patch>): Uint8Array => {
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

/** The patches of a pending record, or why there is none: the payload is torn, or reaches outside the settings. */
export const decodePayload = (header: Header, bytes: Uint8Array): Result.Result<ReadonlyArray<Patch>, string> => {
  if (!mayBePending(header)) return Result.fail("settled")
  if (bytes.length !== header.length || !equal(sha256(bytes), header.digest)) return Result.fail("torn")
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

/** Lays patches over bytes that were read at `offset` of the reserved space. */
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

const settle = (reservedOffset: number, sequence: bigint): Stage => {
  const bytes = new Uint8Array(8)
  viewOf(bytes).setBigUint64(0, sequence, true)
  // Not synced: should the mark be lost, the record is laid over bytes that are the same.
  return { _tag: "Write", sync: false, writes: [{ offset: reservedOffset + journal.offset + settledOffset, bytes }] }
}

/** The whole of each patch, to its place. */
const inPlace = (reservedOffset: number, patches: ReadonlyArray<Patch>): ReadonlyArray<Write> =>
  patches.map((patch) => {
    const bytes = new Uint8Array(patch.length)
    bytes.set(patch.data)
    return { offset: reservedOffset + patch.offset, bytes }
  })

/** The stages that finish what an earlier writer left: its record copied to its places, its tail cut off. */
export const recovery = (options: {
  readonly reservedOffset: number
  readonly header: Header
  readonly pending: ReadonlyArray<Patch> | undefined
  readonly fileSize: number
  /** Up to `tailHeaderSize` bytes from where a tail would begin; fewer at the end of the file. */
  readonly tail: Uint8Array
}): { readonly stages: ReadonlyArray<Stage>; readonly fileSize: number } => {
  const { fileSize, header, pending, reservedOffset } = options
  const stages: Array<Stage> = []
  if (pending !== undefined) {
    stages.push({ _tag: "Write", sync: true, writes: inPlace(reservedOffset, pending) })
    stages.push(settle(reservedOffset, header.sequence))
  }
  const start = tailStart(reservedOffset, header)
  if (start === undefined || fileSize <= start || fileSize > start + tailHeaderSize + header.length) {
    return { stages, fileSize }
  }
  // A layer that someone appended after the tail was cut off begins with its size, which is not 0.
  const expected = tailHeader(header.sequence)
  const ours = pending === undefined && header.sequence !== header.settled
    ? options.tail.every((byte, index) => byte === 0 || byte === expected[index])
    : equal(options.tail, expected)
  if (!ours) return { stages, fileSize }
  stages.push({ _tag: "Truncate", length: start })
  return { stages, fileSize: start }
}

/** Where the tail of a record begins in the file, if it has one. */
export const tailStart = (reservedOffset: number, header: Header): number | undefined =>
  header.valid && header.position >= reservedSize + tailHeaderSize
    ? reservedOffset + header.position - tailHeaderSize
    : undefined

const tailHeader = (sequence: bigint): Uint8Array => {
  const bytes = new Uint8Array(tailHeaderSize)
  bytes.set(tailMagic, 8)
  viewOf(bytes).setBigUint64(16, sequence, true)
  return bytes
}

/** Where two byte strings of one length differ: ranges, at least 512 bytes of equality apart. */
const differences = (offset: number, before: Uint8Array, after: Uint8Array): ReadonlyArray<Write> => {
  const writes: Array<Write> = []
  let start = -1
  let last = -1
  const push = () => writes.push({ offset: offset + start, bytes: after.slice(start, last + 1) })
  for (let index = 0; index < after.length; index++) {
    if (before[index] === after[index]) continue
    if (start >= 0 && index - last > 512) {
      push()
      start = -1
    }
    if (start < 0) start = index
    last = index
  }
  if (start >= 0) push()
  return writes
}

/** A place in the reserved space, what it holds and what it shall hold. */
export interface Change {
  readonly offset: number
  readonly before: Uint8Array
  readonly after: Uint8Array
}

/** The stages of one write, of all changes or none; no stage at all when nothing changes. Recovery goes before. */
export const plan = (options: {
  readonly reservedOffset: number
  readonly header: Header
  readonly fileSize: number
  readonly changes: ReadonlyArray<Change>
}): ReadonlyArray<Stage> => {
  const { changes, fileSize, reservedOffset } = options
  const writes = changes.flatMap((change) => differences(reservedOffset + change.offset, change.before, change.after))
  if (writes.length === 0) return []
  const payload = encodePayload(changes.flatMap((change) => patchesOf(change.offset, change.after)))
  const fits = payload.length <= journal.size - payloadOffset
  const sequence = BigInt.asUintN(64, options.header.sequence + 1n)
  const position = fits ? journal.offset + payloadOffset : fileSize - reservedOffset + tailHeaderSize
  const offset = reservedOffset + journal.offset
  const header = encodeHeader({
    sequence,
    settled: options.header.sequence,
    position,
    length: payload.length,
    digest: sha256(payload)
  })
  const change: Stage = { _tag: "Write", sync: true, writes }
  if (fits) {
    const bytes = Buffer.concat([header, new Uint8Array(payloadOffset - headerSize), payload])
    return [{ _tag: "Write", sync: true, writes: [{ offset, bytes }] }, change, settle(reservedOffset, sequence)]
  }
  // The header first: should the tail be torn, the next writer knows from where to cut it off.
  return [
    { _tag: "Write", sync: true, writes: [{ offset, bytes: header }] },
    {
      _tag: "Write",
      sync: true,
      writes: [{ offset: fileSize, bytes: Buffer.concat([tailHeader(sequence), payload]) }]
    },
    change,
    settle(reservedOffset, sequence),
    { _tag: "Truncate", length: fileSize }
  ]
}
