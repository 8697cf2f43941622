/**
 * Plans writes of settings so that a kill or a power cut leaves either the old or the new settings. Pure: bytes in, stages
 * out.
 *
 * A record in the journal holds the new bytes before they are written to their places. It is *pending* from the moment it
 * is complete until its sequence number is marked as settled. Readers apply a pending record to what they read, and the
 * next writer copies it to its places again. A torn record does not match its digest; in that case nothing else was written
 * yet. `JournalRecord` defines the bytes.
 */
import * as Bytes from "effect/Bytes"
import type { Shape as Native } from "../platform/NativeBytes.ts"
import {
  encodeHeader,
  encodePayload,
  encodeSettled,
  type Header,
  headerSize,
  type Patch,
  patchesOf,
  payloadOffset,
  settledOffset,
  tailHeader,
  tailHeaderSize,
  tailStart
} from "./JournalRecord.ts"
import { journal } from "./ReservedLayout.ts"

/**
 * The file is opened for writing once, all writes are done, and it is closed. With `sync` the data is on the disk before
 * the next stage.
 */
export type Stage =
  | { readonly _tag: "Write"; readonly sync: boolean; readonly writes: ReadonlyArray<Write> }
  | { readonly _tag: "Truncate"; readonly length: number }

/** Bytes to write at one place. */
export interface Write {
  /** Counted from the start of the file. */
  readonly offset: number
  readonly bytes: Uint8Array
}

const settle = (reservedOffset: number, sequence: bigint): Stage => {
  const offset = reservedOffset + journal.offset + settledOffset
  // Not synced: if the mark is lost, the record is applied to bytes that already equal it.
  return { _tag: "Write", sync: false, writes: [{ offset, bytes: encodeSettled(sequence) }] }
}

/** The writes of all patches to their places. */
const inPlace = (reservedOffset: number, patches: ReadonlyArray<Patch>): ReadonlyArray<Write> =>
  patches.map((patch) => {
    const bytes = new Uint8Array(patch.length)
    bytes.set(patch.data)
    return { offset: reservedOffset + patch.offset, bytes }
  })

/** The stages that complete the work of a killed writer: they copy its record to its places and cut off its tail. */
export const recovery = (native: Native, options: {
  readonly reservedOffset: number
  readonly header: Header
  readonly pending: ReadonlyArray<Patch> | undefined
  readonly fileSize: number
  /** Up to `tailHeaderSize` bytes from the offset of a possible tail; fewer at the end of the file. */
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
  // A layer appended after the tail was cut off begins with its size, which is not 0.
  const expected = tailHeader(header.sequence)
  const ours = pending === undefined && header.sequence !== header.settled
    ? options.tail.every((byte, index) => byte === 0 || byte === expected[index])
    : native.equal(options.tail, expected)
  if (!ours) return { stages, fileSize }
  stages.push({ _tag: "Truncate", length: start })
  return { stages, fileSize: start }
}

/** Bytes of a block, which native code compares first. */
const blockSize = 1024

/** The ranges in which two byte strings of equal length differ. Between two ranges at least 512 bytes are equal. */
const differences = (
  native: Native,
  offset: number,
  before: Uint8Array,
  after: Uint8Array
): ReadonlyArray<Write> => {
  const writes: Array<Write> = []
  let start = -1
  let last = -1
  const push = () => writes.push({ offset: offset + start, bytes: after.slice(start, last + 1) })
  for (let block = 0; block < after.length; block += blockSize) {
    const end = Math.min(block + blockSize, after.length)
    if (native.equal(before.subarray(block, end), after.subarray(block, end))) continue
    for (let index = block; index < end; index++) {
      if (before[index] === after[index]) continue
      if (start >= 0 && index - last > 512) {
        push()
        start = -1
      }
      if (start < 0) start = index
      last = index
    }
  }
  if (start >= 0) push()
  return writes
}

/** A range in the reserved space, its current bytes and its new bytes. */
export interface Change {
  readonly offset: number
  readonly before: Uint8Array
  readonly after: Uint8Array
}

/** The stages of one write: of all changes or none. No stage at all if nothing changes. Recovery comes first. */
export const plan = (native: Native, options: {
  readonly reservedOffset: number
  readonly header: Header
  readonly fileSize: number
  readonly changes: ReadonlyArray<Change>
}): ReadonlyArray<Stage> => {
  const { changes, fileSize, reservedOffset } = options
  const writes = changes.flatMap((change) =>
    differences(native, reservedOffset + change.offset, change.before, change.after)
  )
  if (writes.length === 0) return []
  const payload = encodePayload(changes.flatMap((change) => patchesOf(native, change.offset, change.after)))
  const fits = payload.length <= journal.size - payloadOffset
  const sequence = BigInt.asUintN(64, options.header.sequence + 1n)
  const position = fits ? journal.offset + payloadOffset : fileSize - reservedOffset + tailHeaderSize
  const offset = reservedOffset + journal.offset
  const header = encodeHeader(native, {
    sequence,
    settled: options.header.sequence,
    position,
    payload
  })
  const change: Stage = { _tag: "Write", sync: true, writes }
  if (fits) {
    const bytes = Bytes.concat([header, new Uint8Array(payloadOffset - headerSize), payload])
    return [{ _tag: "Write", sync: true, writes: [{ offset, bytes }] }, change, settle(reservedOffset, sequence)]
  }
  // The header comes first: if the tail is torn, the next writer knows from where to cut it off.
  return [
    { _tag: "Write", sync: true, writes: [{ offset, bytes: header }] },
    {
      _tag: "Write",
      sync: true,
      writes: [{ offset: fileSize, bytes: Bytes.concat([tailHeader(sequence), payload]) }]
    },
    change,
    settle(reservedOffset, sequence),
    { _tag: "Truncate", length: fileSize }
  ]
}
