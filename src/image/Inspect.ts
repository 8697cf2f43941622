import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Compression } from "../platform/Compression.ts"
import type { NativeBytes } from "../platform/NativeBytes.ts"
import { viewOf } from "../View.ts"
import * as Elf from "./Elf.ts"
import { inspectLayer } from "./InspectLayer.ts"
import { inspectTool } from "./InspectTool.ts"
import * as Layers from "./Layers.ts"
import * as Manifest from "./Manifest.ts"
import { fieldNames, reservedSize, slots } from "./ReservedLayout.ts"
import type { Extension } from "./Settings.ts"
import { decode } from "./SettingsCodec.ts"

/** A part of an image. `offset` and `size` in bytes, without the size field before a blob. */
export interface Part {
  readonly name: string
  readonly offset: number
  readonly size: number
  readonly detail: string
}

/** The parts of an image and its problems. The image is sound if `problems` is empty. */
export interface Inspection {
  readonly path: string
  readonly size: number
  readonly version: string | undefined
  /** The image's identity: 32 hexadecimal digits. Absent in images of versions without identities. */
  readonly identity: string | undefined
  readonly parts: ReadonlyArray<Part>
  readonly problems: ReadonlyArray<string>
}

const chunkSize = 1 << 20
const prefixSize = Layers.prefixSize

// A launcher has 3 MB: a header that needs more is damaged.
const maxHeadSize = 256 << 20

/** Reports what an image file contains. */
export class Inspector extends Context.Service<Inspector, {
  /** Reads the whole image. Damage is part of the result; fails with `PlatformError` if the file cannot be read. */
  readonly inspect: (path: string) => Effect.Effect<Inspection, PlatformError>
}>()("flatimage/image/Inspect/Inspector") {
  static readonly layer = Layer.effect(
    Inspector,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const services = yield* Effect.context<Compression | NativeBytes>()

      const inspect = Effect.fn("Inspector.inspect")(function*(path: string) {
        const file = yield* fs.open(path, { flag: "r" })
        const size = Number((yield* file.stat).size)
        const parts: Array<Part> = []
        const problems: Array<string> = []
        let version: string | undefined
        let identity: string | undefined

        const readUpTo = Effect.fnUntraced(function*(position: number, length: number) {
          const bytes = new Uint8Array(Math.max(0, Math.min(length, size - position)))
          let done = 0
          while (done < bytes.length) {
            const more = yield* file.read(bytes.subarray(done), { position: BigInt(position + done) })
            if (more === 0) break
            done += more
          }
          return bytes.subarray(0, done)
        })

        const readRange = (offset: number, length: number) =>
          Stream.unfold(0, (done) =>
            done >= length ? Effect.succeed(undefined) : Effect.map(
              readUpTo(offset + done, Math.min(chunkSize, length - done)),
              (bytes) => bytes.length === 0 ? undefined : [bytes, done + bytes.length] as const
            ))

        const sizeAt = Effect.fnUntraced(function*(offset: number, what: string) {
          const bytes = yield* readUpTo(offset, prefixSize)
          if (bytes.length < prefixSize) {
            problems.push(`the size of ${what} is cut off (at byte ${offset})`)
            return undefined
          }
          const blob = viewOf(bytes).getBigUint64(0, true)
          if (blob > BigInt(size - offset - prefixSize)) {
            problems.push(`${what} reaches beyond the end of the file: ${blob} bytes (at byte ${offset})`)
            return undefined
          }
          return Number(blob)
        })

        /** Returns the end of the head and the reserved offset that it names. */
        const inspectHead = Effect.gen(function*() {
          const start = yield* readUpTo(0, Elf.headerSize)
          const tables = Elf.tablesEnd(start)
          if (Result.isFailure(tables)) return void problems.push(tables.failure.message)
          const elf = Elf.parse(yield* readUpTo(0, Math.min(tables.success, maxHeadSize)))
          if (Result.isFailure(elf)) return void problems.push(elf.failure.message)
          const { end } = elf.success
          if (end > size) return void problems.push(`the head ends at byte ${end}, beyond the end of the file`)
          parts.push({ name: "head", offset: 0, size: end, detail: "launcher" })
          if (start[8] !== 0x46 || start[9] !== 0x49 || start[10] !== 0x01) {
            problems.push("the marks F, I and 1 are missing (at byte 8)")
          }
          if (Elf.interpreter(elf.success, start) !== undefined) problems.push("the launcher is not static")
          const section = Elf.section(elf.success, ".fim_reserved_offset")
          if (section === undefined || section.size !== 8) {
            problems.push("the section .fim_reserved_offset is missing")
            return { end, reserved: undefined }
          }
          const bytes = yield* readUpTo(section.offset, 8)
          const value = bytes.length < 8 ? 0n : viewOf(bytes).getBigUint64(0, true)
          if (value < BigInt(end) || value > BigInt(size)) {
            problems.push(`the reserved offset ${value} is not within the file (at byte ${section.offset})`)
            return { end, reserved: undefined }
          }
          return { end, reserved: Number(value) }
        })

        /** Returns the end of the tools. */
        const inspectTools = Effect.fnUntraced(function*(offset: number) {
          const tableSize = yield* sizeAt(offset, "the tool table")
          if (tableSize === undefined) return undefined
          const at = offset + prefixSize
          parts.push({ name: "tool table", offset: at, size: tableSize, detail: "JSON" })
          if (tableSize > Manifest.maxTableSize) {
            problems.push(`the tool table has ${tableSize} bytes, more than ${Manifest.maxTableSize} (at byte ${at})`)
            return undefined
          }
          const table = Manifest.decode(yield* readUpTo(at, tableSize))
          if (Result.isFailure(table)) {
            problems.push(`${table.failure.message} (at byte ${at})`)
            return undefined
          }
          version = `${table.success.version} ${table.success.commit} ${table.success.timestamp}`
          let next = at + tableSize
          for (const tool of table.success.tools) {
            const toolSize = yield* sizeAt(next, tool.path)
            if (toolSize === undefined) return undefined
            next += prefixSize
            parts.push({
              name: tool.path,
              offset: next,
              size: toolSize,
              detail: `${tool.encoding}, ${tool.size} bytes`
            })
            const problem = yield* Effect.provideContext(inspectTool(yield* readUpTo(next, toolSize), tool), services)
            if (problem !== undefined) problems.push(`${tool.path} ${problem} (at byte ${next})`)
            next += toolSize
          }
          return next
        })

        const inspectReserved = Effect.fnUntraced(function*(offset: number) {
          parts.push({
            name: "reserved space",
            offset,
            size: Math.min(reservedSize, size - offset),
            detail: "settings"
          })
          const bytes = yield* readUpTo(offset, reservedSize)
          if (bytes.length < reservedSize) return void problems.push(`the reserved space is cut off (at byte ${size})`)
          for (const field of fieldNames) {
            const slot = slots[field]
            const value = decode(field, bytes.subarray(slot.offset, slot.offset + slot.size))
            if (Result.isFailure(value)) {
              problems.push(`the setting ${field} is not valid: ${value.failure} (at byte ${offset + slot.offset})`)
            }
            if (field === "extension" && Result.isSuccess(value)) identity = (value.success as Extension).identity
          }
        })

        const inspectLayers = Effect.fnUntraced(function*(offset: number) {
          const scanned = yield* Effect.result(Layers.scan(readUpTo, offset, size))
          if (Result.isFailure(scanned)) {
            if (scanned.failure._tag === "PlatformError") return yield* scanned.failure
            problems.push(scanned.failure.message)
            return
          }
          const { end, layers, stop } = scanned.success
          for (const layer of layers) {
            const report = yield* Effect.provideContext(inspectLayer(readRange, layer), services)
            parts.push({
              name: `layer ${layer.index}`,
              offset: layer.offset,
              size: layer.size,
              detail: `DwarFS ${report.version}, ${report.sections} sections`
            })
            for (const problem of report.problems) problems.push(`layer ${layer.index}: ${problem}`)
          }
          if (layers.length === 0) problems.push(`there is no layer (at byte ${end})`)
          if (stop === "EndOfFile") return
          parts.push({ name: "trailing", offset: end, size: size - end, detail: "belongs to no layer" })
          problems.push(`${size - end} bytes follow that belong to no layer (at byte ${end})`)
        })

        const head = yield* inspectHead
        if (head !== undefined) {
          const toolsEnd = yield* inspectTools(head.end)
          if (toolsEnd !== undefined && head.reserved !== undefined && toolsEnd !== head.reserved) {
            problems.push(`the tools end at byte ${toolsEnd}, but the reserved offset is ${head.reserved}`)
          }
          if (head.reserved !== undefined) {
            yield* inspectReserved(head.reserved)
            if (head.reserved + reservedSize <= size) yield* inspectLayers(head.reserved)
          }
        }
        return { path, size, version, identity, parts, problems }
      }, Effect.scoped)

      return Inspector.of({ inspect })
    })
  )
}
