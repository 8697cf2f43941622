import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import * as host from "fim:host"
import * as FileInfo from "./FileInfo.ts"
import { attempt, type Failing } from "./SystemError.ts"

const badArgument = (method: string, description: string) =>
  Effect.fail(PlatformError.badArgument({ module: "FileSystem", method, description }))

const beforeStart = (method: string) => badArgument(method, "the position lies before the start of the file")

/** Whether a position fits into a JavaScript number, which the host functions take. */
const isExact = (position: bigint): boolean => position <= BigInt(Number.MAX_SAFE_INTEGER)

/**
 * An open file with its own position, which other users of the descriptor do not change. With `append`, writes go to the
 * end.
 */
export const make = (descriptor: number, append: boolean): FileSystem.File => {
  let position = 0n

  const readInto = (method: string, into: Uint8Array, options?: FileSystem.File.ReadOptions): Failing<number> => {
    const place = options?.position
    if (place !== undefined && place < 0n) return beforeStart(method)
    if (!isExact(place ?? position)) return Effect.succeed(0)
    return attempt("FileSystem", method, descriptor, () => {
      const count = host.read(descriptor, into, Number(place ?? position))
      if (place === undefined) position += BigInt(count)
      return count
    })
  }

  const writeSome = (method: string, bytes: Uint8Array): Failing<number> =>
    !append && !isExact(position)
      ? badArgument(method, "the position is too large")
      : attempt("FileSystem", method, descriptor, () => {
        const count = append ? host.write(descriptor, bytes) : host.write(descriptor, bytes, Number(position))
        if (!append) position += BigInt(count)
        return count
      })

  const writeAll = (bytes: Uint8Array): Failing<void> =>
    bytes.length === 0
      ? Effect.void
      : Effect.flatMap(
        writeSome("writeAll", bytes),
        (count) =>
          count > 0 ? writeAll(bytes.subarray(count)) : Effect.fail(PlatformError.systemError({
            _tag: "WriteZero",
            module: "FileSystem",
            method: "writeAll",
            pathOrDescriptor: descriptor,
            description: "nothing was written"
          }))
      )

  return {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: attempt("FileSystem", "stat", descriptor, () => {
      host.statDescriptor(descriptor, FileInfo.space)
      return FileInfo.info()
    }),
    sync: attempt("FileSystem", "sync", descriptor, () => host.sync(descriptor)),
    seek: (offset, from) =>
      Effect.suspend(() => {
        const next = from === "start" ? offset : position + offset
        if (next < 0n) return beforeStart("seek")
        position = next
        return Effect.succeed(next)
      }),
    read: (into, options) => Effect.suspend(() => readInto("read", into, options)),
    readAlloc: (size, options) =>
      Effect.suspend(() => {
        if (!Number.isInteger(size) || size < 0) return badArgument("readAlloc", `${size} is not a number of bytes`)
        const bytes = new Uint8Array(size)
        return Effect.map(
          readInto("readAlloc", bytes, options),
          (count) => count === 0 ? Option.none() : Option.some(bytes.subarray(0, count))
        )
      }),
    truncate: (length = 0) =>
      attempt("FileSystem", "truncate", descriptor, () => {
        host.truncateDescriptor(descriptor, length)
        if (!append && position > BigInt(length)) position = BigInt(length)
      }),
    write: (bytes) => Effect.suspend(() => writeSome("write", bytes)),
    writeAll: (bytes) => Effect.suspend(() => writeAll(bytes))
  }
}
