/** Images for tests: a head, a reserved space, one thing that stands for a layer. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Journal from "../../src/image/Journal.ts"
import * as JournalRecord from "../../src/image/JournalRecord.ts"
import { type FieldName, journal, reservedSize, slots } from "../../src/image/ReservedLayout.ts"
import type { Source } from "../../src/image/ReservedReader.ts"
import type { Fields } from "../../src/image/Settings.ts"
import { encode } from "../../src/image/SettingsCodec.ts"
import { nativeBytes } from "../support/Platform.ts"

/** Not a multiple of a sector or a page, as in a real image. */
export const reservedOffset = 777

const layer = Buffer.from("\x06\0\0\0\0\0\0\0DWARFS", "latin1")

export const slotOf = <Field extends FieldName>(field: Field, value: Fields[Field]): Uint8Array =>
  Result.getOrThrowWith(encode(field, value), (failure) => new Error(JSON.stringify(failure)))

/** Bytes of an image with these settings. */
export const imageOf = (
  settings: Partial<Fields> = {},
  head: Uint8Array = Buffer.alloc(reservedOffset, 0x7f)
): Buffer => {
  const image = Buffer.concat([head, Buffer.alloc(reservedSize), layer])
  for (const field of Object.keys(settings) as Array<FieldName>) {
    image.set(slotOf(field, settings[field] as never), head.length + slots[field].offset)
  }
  return image
}

/** A file in memory that only reads. `size` is asked at each read. */
export const sourceOf = (image: () => Buffer): Source => ({
  path: "memory",
  offset: reservedOffset,
  file: {
    read: (buffer: Uint8Array, options?: FileSystem.File.ReadOptions) =>
      Effect.sync(() => {
        const position = Number(options?.position ?? 0n)
        return position >= image().length ? 0 : image().copy(buffer, 0, position, position + buffer.length)
      })
  } as unknown as FileSystem.File
})

/** The header of an image's journal, its pending record, and the stages that finish what was left. */
export const recoveryOf = (image: Buffer) => {
  const header = JournalRecord.parseHeader(
    nativeBytes,
    image.subarray(reservedOffset + journal.offset).subarray(0, JournalRecord.headerSize)
  )
  const at = reservedOffset + header.position
  const pending = Result.getOrUndefined(
    JournalRecord.decodePayload(nativeBytes, header, image.subarray(at, at + header.length))
  )
  const tail = JournalRecord.tailStart(reservedOffset, header)
  return {
    header,
    pending,
    ...Journal.recovery(nativeBytes, {
      reservedOffset,
      header,
      pending,
      fileSize: image.length,
      tail: tail === undefined ? Buffer.alloc(0) : image.subarray(tail, tail + JournalRecord.tailHeaderSize)
    })
  }
}

/** The stages of writing these settings. */
export const planOf = (image: Buffer, settings: Partial<Fields>) =>
  Journal.plan(nativeBytes, {
    reservedOffset,
    header: recoveryOf(image).header,
    fileSize: image.length,
    changes: (Object.keys(settings) as Array<FieldName>).map((field) => ({
      offset: slots[field].offset,
      before: image.subarray(reservedOffset + slots[field].offset).subarray(0, slots[field].size),
      after: slotOf(field, settings[field] as never)
    }))
  })

export const applyStage = (image: Buffer, stage: Journal.Stage): Buffer => {
  if (stage._tag === "Truncate") return image.subarray(0, stage.length)
  return stage.writes.reduce(writeTo, image)
}

/** Writes into the image, or into a longer one that begins with it. */
export const writeTo = (image: Buffer, write: Journal.Write): Buffer => {
  const end = write.offset + write.bytes.length
  const target = end <= image.length ? image : longer(image, end)
  target.set(write.bytes, write.offset)
  return target
}

/** The same memory where it goes on behind the end, as a file does. */
const longer = (image: Buffer, end: number): Buffer => {
  const behind = Buffer.from(image.buffer, image.byteOffset)
  if (room.has(image.buffer) && behind.length >= end) return behind.fill(0, image.length, end).subarray(0, end)
  const target = Buffer.alloc(end + (2 << 20))
  room.add(target.buffer)
  image.copy(target)
  return target.subarray(0, end)
}

/** Memory that has nothing but one image in it. */
const room = new WeakSet<ArrayBufferLike>()

const root = fileURLToPath(new URL("../..", import.meta.url))

/** A native program, from wherever cargo was told to build; the newest. `mark` is what its present version holds. */
const native = (name: string, mark: string): string => {
  const built = join(root, "build/cargo")
  const found = existsSync(built)
    ? readdirSync(built).flatMap((target) => [join(built, target, "release", name), join(built, target, name)])
      .filter((path) => existsSync(path) && readFileSync(path).includes(mark))
      .sort((left, right) => statSync(right).mtimeMs - statSync(left).mtimeMs)
    : []
  if (found[0] === undefined) throw new Error("build the native programs first: cargo build --release in src/native")
  return found[0]
}

export const patcher = (): string => native("fim", "--range OFFSET:LENGTH")

export const launcher = (): string => native("launcher", ".fim_reserved_offset")
