import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

/** What no build has used for so long is not likely to be used again. */
const maxAge = Duration.days(14)

/** Notes that a cached file is in use. A cache that cannot be written to is as good. */
export const markUsed = (fs: FileSystem.FileSystem, path: string): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.ignore(fs.utimes(path, now / 1000, now / 1000)))

/** Removes the files of a cache directory that no build has used for two weeks; those that cannot be removed stay. */
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
