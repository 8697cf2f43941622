import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

/** A file that no build has used for so long is removed. */
const maxAge = Duration.days(14)

/** Marks a cached file as used. Failures are ignored: a read-only cache works too. */
export const markUsed = (fs: FileSystem.FileSystem, path: string): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.ignore(fs.utimes(path, now / 1000, now / 1000)))

/** Removes the files of a cache directory that no build has used for two weeks. Files that cannot be removed stay. */
export const removeUnused = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, directory: string) {
  const oldest = (yield* Clock.currentTimeMillis) - Duration.toMillis(maxAge)
  for (const name of yield* fs.readDirectory(directory).pipe(Effect.orElseSucceed(() => []))) {
    const path = `${directory}/${name}`
    const used = yield* fs.stat(path).pipe(
      Effect.map((info) => info.type === "File" ? Option.getOrUndefined(info.mtime) : undefined),
      Effect.orElseSucceed(() => undefined)
    )
    if (used !== undefined && used.getTime() < oldest) yield* fs.remove(path, { force: true }).pipe(Effect.ignore)
  }
})
