/** Files of layers: numbered ones in `layers` of a data directory, and those at a path of the caller's. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { basename, dirname } from "../../relocate/Directories.ts"
import { CommandError } from "../config/CommandError.ts"

const highest = 999

/** One more than the largest number of files named `layer-NNN.layer`; 0 if there is none. */
export const nextNumber = (names: ReadonlyArray<string>): number =>
  Math.max(-1, ...names.flatMap((name) => /^layer-(\d+)\.layer$/.exec(name)?.[1] ?? []).map(Number)) + 1

const failed = (text: string, hint?: string) =>
  new CommandError({ text, context: "Could not save the layer", ...(hint === undefined ? {} : { hint }) })

/** Number and path of the next layer in a directory. */
export const nextLayer = Effect.fnUntraced(function*(directory: string) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* fs.readDirectory(directory).pipe(Effect.mapError((error) => failed(error.message)))
  const number = nextNumber(names)
  if (number > highest) return yield* failed("Maximum number of layers exceeded")
  return { number, path: `${directory}/layer-${String(number).padStart(3, "0")}.layer` }
})

const parentOf = (path: string): string => path.includes("/") ? dirname(path) : "."

const sync = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(path)
  yield* file.sync
}, Effect.scoped)

/**
 * Creates a hard link to a file, or a copy on another file system. The name appears after the content is on the disk, and
 * never replaces another file.
 */
export const publish = Effect.fnUntraced(function*(source: string, target: string) {
  const fs = yield* FileSystem.FileSystem
  const wrong = (error: PlatformError) =>
    error.reason._tag === "AlreadyExists"
      ? failed("Destination file already exists", `'${target}' is there`)
      : failed(`Could not save '${target}'`, error.message)
  const copied = Effect.gen(function*() {
    // A directory that only we can enter, under an unpredictable name: nobody can plant a link where the copy goes.
    const directory = yield* Effect.acquireRelease(
      fs.makeTempDirectory({ directory: parentOf(target), prefix: `.${basename(target).slice(-100)}.` }),
      (path) => Effect.ignore(fs.remove(path, { recursive: true, force: true }), { log: true })
    )
    const part = `${directory}/layer`
    yield* fs.copyFile(source, part)
    yield* sync(part)
    yield* fs.link(part, target)
  }).pipe(Effect.scoped)
  yield* sync(source).pipe(
    Effect.andThen(fs.link(source, target)),
    Effect.catchIf((error) => error.reason._tag !== "AlreadyExists", () => copied),
    Effect.mapError(wrong)
  )
  yield* sync(parentOf(target)).pipe(
    Effect.tapError(() => Effect.ignore(fs.remove(target, { force: true }))),
    Effect.mapError(wrong)
  )
})
