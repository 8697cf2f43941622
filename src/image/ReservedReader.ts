/** Reads fields without a lock while others write. The result is the state before or after each write, never between. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { NativeBytes } from "../platform/NativeBytes.ts"
import * as JournalRecord from "./JournalRecord.ts"
import { type FieldName, isComplete, journal, reservedSize, slots } from "./ReservedLayout.ts"
import { platformError, Reason, ReservedSpaceError } from "./ReservedSpaceError.ts"

/** An open image. */
export interface Source {
  readonly path: string
  readonly offset: number
  readonly file: FileSystem.File
}

/** Bytes of the first read. Most settings are far smaller than their slots, and a start reads no more than it needs. */
const firstRead = 4_096

/** Reads `length` bytes from `position` of the reserved space; fewer only at the end of the file. */
export const readAt = Effect.fnUntraced(function*(source: Source, position: number, length: number) {
  const bytes = new Uint8Array(length)
  let filled = 0
  while (filled < length) {
    const read = yield* source.file.read(bytes.subarray(filled), {
      position: BigInt(source.offset + position + filled)
    }).pipe(Effect.mapError(platformError(source.path)))
    if (read === 0) break
    filled += read
  }
  if (filled < length && position < reservedSize) {
    const { size } = yield* source.file.stat.pipe(Effect.mapError(platformError(source.path)))
    const reason = Reason.Truncated({ size: Number(size), end: source.offset + reservedSize })
    return yield* new ReservedSpaceError({ path: source.path, reason })
  }
  return filled < length ? bytes.subarray(0, filled) : bytes
})

interface Part {
  readonly offset: number
  readonly length: number
}

/** Joins adjacent parts to one read. */
const merge = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  const merged: Array<{ offset: number; length: number }> = []
  for (const part of [...parts].sort((left, right) => left.offset - right.offset)) {
    const last = merged.at(-1)
    if (last !== undefined && part.offset <= last.offset + last.length + 16) {
      last.length = part.offset + part.length - last.offset
    } else merged.push({ ...part })
  }
  return merged
}

const headLength = (field: FieldName): number =>
  field === "icon" ? slots.icon.size : Math.min(firstRead, slots[field].size)

/** The pending record of an image, if there is one; its header in any case. */
export const readJournal = Effect.fnUntraced(function*(source: Source, headerBytes: Uint8Array) {
  const native = yield* NativeBytes
  const header = JournalRecord.parseHeader(native, headerBytes)
  if (!JournalRecord.mayBePending(header)) return { header, pending: undefined }
  const payload = yield* readAt(source, header.position, header.length)
  return { header, pending: Result.getOrUndefined(JournalRecord.decodePayload(native, header, payload)) }
})

/**
 * Reads the bytes of each field once.
 *
 * @returns `undefined` if a write came between: the header of the journal, which changes before and after each change of a
 *   field, has changed
 */
export const readOnce = Effect.fnUntraced(function*<Field extends FieldName>(
  source: Source,
  fields: ReadonlyArray<Field>
) {
  const native = yield* NativeBytes
  const before = yield* readAt(source, journal.offset, JournalRecord.headerSize)
  const whole = JournalRecord.mayBePending(JournalRecord.parseHeader(native, before))
  const bytes = new Map<Field, Uint8Array>()
  for (const part of merge(fields.map((field) => ({ offset: slots[field].offset, length: headLength(field) })))) {
    const read = yield* readAt(source, part.offset, part.length)
    for (const field of fields) {
      const start = slots[field].offset - part.offset
      if (start >= 0 && start < part.length) bytes.set(field, read.subarray(start, start + headLength(field)))
    }
  }
  for (const [field, start] of bytes) {
    // A pending record may be longer than the content in place.
    if (!whole && isComplete(field, start)) continue
    const { offset, size } = slots[field]
    const rest = yield* readAt(source, offset + start.length, size - start.length)
    const slot = new Uint8Array(size)
    slot.set(start)
    slot.set(rest, start.length)
    bytes.set(field, slot)
  }
  // Read last: a record that is not complete yet cannot have been copied while the fields were read.
  const { pending } = yield* readJournal(source, before)
  const after = yield* readAt(source, journal.offset, JournalRecord.headerSize)
  if (!native.equal(before, after)) return undefined
  if (pending !== undefined) {
    for (const [field, slot] of bytes) JournalRecord.overlay(slot, slots[field].offset, pending)
  }
  return bytes
})
