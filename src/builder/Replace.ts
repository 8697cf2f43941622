import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { BuildError } from "./BuildError.ts"
import { atPath } from "./BuildError.ts"
import { withScratchDirectory } from "./Scratch.ts"

/**
 * Replaces `path` atomically. `make` receives a temporary name in the same directory, which is renamed to `path` after
 * success. A failure or interruption leaves nothing. Fails with `BuildError` or the error of `make`.
 */
export const replacePath = <A, E, R>(
  fs: FileSystem.FileSystem,
  path: string,
  make: (temporary: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | BuildError, R> => {
  const slash = path.lastIndexOf("/")
  const parent = slash < 0 ? "." : path.slice(0, slash) || "/"
  return withScratchDirectory(fs, parent, path.slice(slash + 1), (directory) =>
    Effect.gen(function*() {
      const temporary = `${directory}/new`
      const value = yield* make(temporary)
      yield* fs.rename(temporary, path).pipe(atPath(path))
      return value
    }))
}

/** Replaces the content of a file atomically: readers see the old or the new content. Fails with `BuildError`. */
export const replaceFile = (fs: FileSystem.FileSystem, path: string, bytes: Uint8Array) =>
  replacePath(fs, path, (temporary) => fs.writeFile(temporary, bytes).pipe(atPath(path)))
