import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Scope from "effect/Scope"
import { isOwnEntry } from "../image/OwnEntry.ts"
import { atPath, type BuildError } from "./BuildError.ts"

/** The pid of this process, part of the names of its unfinished files. */
const ownPid = (fs: FileSystem.FileSystem): Effect.Effect<string> =>
  fs.readLink("/proc/self").pipe(Effect.orElseSucceed(() => "0"))

/**
 * Removes from `directory` the files of killed builds: those for whose names `pidOf` returns the pid of a process that has
 * ended. A file that cannot be removed stays, with a line in the log.
 */
const removeLeftovers = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  directory: string,
  pidOf: (name: string) => string | undefined
) {
  for (const name of yield* fs.readDirectory(directory).pipe(atPath(directory))) {
    const pid = pidOf(name)
    if (pid === undefined || (yield* fs.exists(`/proc/${pid}`).pipe(Effect.orElseSucceed(() => true)))) continue
    if (!(yield* isOwnEntry(fs, `${directory}/${name}`))) continue
    yield* fs.remove(`${directory}/${name}`, { recursive: true, force: true }).pipe(Effect.ignore({ log: true }))
  }
})

const acquire = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, directory: string, name: string) {
  yield* removeLeftovers(
    fs,
    directory,
    (entry) => entry.startsWith(`.${name}.`) ? /\.(\d+)-[^.]*$/.exec(entry)?.[1] : undefined
  )
  const prefix = `.${name}.${yield* ownPid(fs)}-`
  return yield* fs.makeTempDirectory({ directory, prefix }).pipe(atPath(directory))
})

const release = (fs: FileSystem.FileSystem, path: string) =>
  fs.remove(path, { recursive: true, force: true }).pipe(Effect.ignore({ log: true }))

/**
 * A private directory in `directory`, which the scope removes. If the process is killed, the next build with that name
 * removes it. It is on the same file system, so that its content can be renamed into place. Fails with `BuildError`.
 */
export const scratchDirectory = (
  fs: FileSystem.FileSystem,
  directory: string,
  name: string
): Effect.Effect<string, BuildError, Scope.Scope> =>
  Effect.acquireRelease(acquire(fs, directory, name), (path) => release(fs, path))

/** The same for the duration of one effect. */
export const withScratchDirectory = <A, E, R>(
  fs: FileSystem.FileSystem,
  directory: string,
  name: string,
  use: (path: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | BuildError, R> =>
  Effect.acquireUseRelease(acquire(fs, directory, name), use, (path) => release(fs, path))
