/** What is compared between platforms. Nothing here belongs to one of them: it runs on each. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"

export type Services =
  | FileSystem.FileSystem
  | Path.Path
  | ChildProcessSpawner.ChildProcessSpawner
  | Stdio.Stdio
  | Scope.Scope

/** Something that is done in a directory which has one of each kind of file. */
export type Operation = (place: string) => Effect.Effect<unknown, PlatformError.PlatformError, Services>

export type Case = readonly [name: string, operation: Operation]

/** A file, a directory with two things in it, a link to the file, one to itself, one to nothing, and a FIFO. */
const fill = Effect.fnUntraced(function*(place: string) {
  const fs = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  yield* fs.makeDirectory(`${place}/directory/below`, { recursive: true })
  yield* fs.writeFileString(`${place}/file`, "0123456789")
  yield* fs.writeFileString(`${place}/directory/ä\n`, "")
  yield* fs.symlink("file", `${place}/link`)
  yield* fs.symlink("loop", `${place}/loop`)
  yield* fs.symlink("nothing", `${place}/dangling`)
  yield* spawner.exitCode(ChildProcess.make("mkfifo", [`${place}/fifo`], { detached: false }))
})

/** Values as JSON has them, without the name of the place and what is different each time. */
const plain = (place: string, value: unknown): unknown => {
  if (typeof value === "bigint") return `${value}n`
  if (typeof value === "string") return value.replaceAll(place, "PLACE")
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map((one) => plain(place, one))
  if (typeof value !== "object" || value === null) return value === undefined ? "undefined" : value
  const changing = "dev" in value && "ino" in value
    ? new Set(["ino", "mtime", "atime", "birthtime", "blocks", "dev"])
    : new Set<string>()
  return Object.fromEntries(
    Object.entries(value).filter(([name]) => !changing.has(name)).map(([name, one]) => [name, plain(place, one)])
  )
}

/** What an operation gives, or how it fails. */
export const outcome = (
  operation: Operation
): Effect.Effect<unknown, PlatformError.PlatformError, Exclude<Services, Scope.Scope>> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const place = yield* fs.makeTempDirectoryScoped()
    yield* fill(place)
    return yield* operation(place).pipe(
      Effect.map((value) => plain(place, value)),
      Effect.catch(({ reason }) =>
        Effect.succeed(plain(place, {
          failed: reason._tag,
          module: reason.module,
          method: reason.method,
          ...(reason._tag === "BadArgument" ? {} : {
            path: typeof reason.pathOrDescriptor === "number" ? "a descriptor" : String(reason.pathOrDescriptor)
          })
        }))
      )
    )
  }).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => Effect.succeed("it took too long") })
  )
