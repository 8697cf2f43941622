import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Elf from "../image/Elf.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import type { Report } from "./Progress.ts"
import { replacePath } from "./Replace.ts"

/** The parts of an image, in the order of the file. */
export interface Parts {
  /** Path of the launcher program. */
  readonly head: string
  /** The tool table. */
  readonly table: Uint8Array
  /** The compressed data of each tool: the files whose concatenation it is. */
  readonly tools: ReadonlyArray<ReadonlyArray<string>>
  readonly reserved: Uint8Array
  /** Paths of DwarFS images, lowest first. */
  readonly layers: ReadonlyArray<string>
}

/** Offsets and sizes of the parts of a written image, in bytes. */
export interface Written {
  readonly head: number
  readonly tools: number
  readonly reservedOffset: number
  readonly size: number
}

const chunkSize = 4 << 20
const offsetSection = ".fim_reserved_offset"

const prefix = (size: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(size), true)
  return bytes
}

/**
 * The head of an image: the launcher, cut off at the end of its ELF, with the marks, and with the reserved offset in its
 * section.
 */
const makeHead = (launcher: Uint8Array, path: string, offsetOf: (headSize: number) => number) =>
  Effect.gen(function*() {
    const elf = yield* Effect.fromResult(Elf.parse(launcher)).pipe(
      Effect.mapError((error) => buildError("BadBinary", { path, detail: error.message }, error))
    )
    const section = Elf.section(elf, offsetSection)
    if (elf.end > launcher.length || section === undefined || section.size !== 8) {
      return yield* buildError("BadBinary", { path, detail: `it has no section ${offsetSection} of 8 bytes` })
    }
    const head = launcher.slice(0, elf.end)
    head.set([0x46, 0x49, 0x01], 8)
    head.set(prefix(offsetOf(head.length)), section.offset)
    return head
  })

/** Writes images. */
export class ImageWriter extends Context.Service<ImageWriter, {
  /**
   * Writes an image to `path`, which has either the old or the new content at every moment. Calls `report` with the bytes
   * done. A failure or an interruption leaves no other file. Fails with `BuildError`.
   */
  readonly write: (path: string, parts: Parts, report: Report) => Effect.Effect<Written, BuildError>
}>()("flatimage/builder/ImageWriter") {
  static readonly layer = Layer.effect(
    ImageWriter,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem

      const sizeOf = (path: string) => fs.stat(path).pipe(Effect.map((info) => Number(info.size)), atPath(path))

      const sync = (path: string) =>
        fs.open(path, { flag: "r" }).pipe(Effect.flatMap((file) => file.sync), Effect.scoped, atPath(path))

      const write = Effect.fn("ImageWriter.write")(function*(path: string, parts: Parts, report: Report) {
        const slash = path.lastIndexOf("/")
        const directory = slash < 0 ? "." : path.slice(0, slash) || "/"
        const existing = yield* fs.stat(path).pipe(Effect.option)
        if (Option.isSome(existing) && existing.value.type !== "File") {
          return yield* buildError("File", { path, detail: "it exists and is not a file" })
        }
        yield* fs.makeDirectory(directory, { recursive: true }).pipe(atPath(directory))
        const toolSizes = yield* Effect.forEach(
          parts.tools,
          (files) => Effect.map(Effect.forEach(files, sizeOf), (sizes) => sizes.reduce((sum, size) => sum + size, 0))
        )
        const layerSizes = yield* Effect.forEach(parts.layers, sizeOf)
        const afterHead = 8 + parts.table.length + toolSizes.reduce((sum, size) => sum + 8 + size, 0)
        const launcher = yield* fs.readFile(parts.head).pipe(atPath(parts.head))
        const head = yield* makeHead(launcher, parts.head, (headSize) => headSize + afterHead)
        const reservedOffset = head.length + afterHead
        const size = reservedOffset + parts.reserved.length + layerSizes.reduce((sum, part) => sum + 8 + part, 0)

        const fill = (temporary: string) =>
          Effect.gen(function*() {
            const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 }).pipe(atPath(temporary))
            let done = 0
            const put = (bytes: Uint8Array) =>
              Effect.suspend(() => {
                done += bytes.length
                return file.writeAll(bytes).pipe(atPath(path), Effect.andThen(report(done, size)))
              })
            const putFile = (from: string, expected: number) =>
              Effect.gen(function*() {
                const before = done
                yield* Stream.runForEach(
                  fs.stream(from, { chunkSize }).pipe(Stream.mapError((error) => error)),
                  (bytes) => put(bytes)
                ).pipe(Effect.catchTag("PlatformError", (error) => atPath(from)(Effect.fail(error))))
                if (done - before !== expected) {
                  return yield* buildError("File", { path: from, detail: "it changed while it was read" })
                }
              })
            yield* put(head)
            yield* put(prefix(parts.table.length))
            yield* put(parts.table)
            for (const [index, files] of parts.tools.entries()) {
              yield* put(prefix(toolSizes[index] ?? 0))
              for (const tool of files) yield* putFile(tool, yield* sizeOf(tool))
            }
            yield* put(parts.reserved)
            for (const [index, layer] of parts.layers.entries()) {
              yield* put(prefix(layerSizes[index] ?? 0))
              yield* putFile(layer, layerSizes[index] ?? 0)
            }
            if (done !== size) {
              return yield* buildError("File", { path, detail: `${done} bytes were written instead of ${size}` })
            }
            yield* file.sync.pipe(atPath(path))
          }).pipe(Effect.scoped)

        yield* replacePath(
          fs,
          path,
          (temporary) => Effect.andThen(fill(temporary), fs.chmod(temporary, 0o755).pipe(atPath(path)))
        )
        // Without this a power cut may restore the old name.
        yield* sync(directory)
        return { head: head.length, tools: afterHead, reservedOffset, size }
      })

      return ImageWriter.of({ write })
    })
  )
}
