import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Scope from "effect/Scope"
import { isOwnEntry } from "../image/OwnEntry.ts"
import { atPath, type BuildError } from "./BuildError.ts"

/** The pid of this process, part of the names of its unfinished files. */
const ownPid = (fs: FileSystem.FileSystem): Effect.Effect<string> =>
  fs.readLink("/proc/self").pipe(Effect.orElseSucceed(() => "0"))

/** Gives the owner all rights to the directories of a tree. Trees of archives may have some that nobody may read. */
const openDirectories = (fs: FileSystem.FileSystem, path: string): Effect.Effect<void> =>
  Effect.gen(function*() {
    const info = yield* fs.lstat(path)
    if (info.type !== "Directory") return
    if ((info.mode & 0o700) !== 0o700) yield* fs.chmod(path, 0o700)
    for (const name of yield* fs.readDirectory(path)) yield* openDirectories(fs, `${path}/${name}`)
  }).pipe(Effect.ignore)

/** Removes a tree, whatever the modes of its directories. */
const removeTree = (fs: FileSystem.FileSystem, path: string) => {
  const remove = fs.remove(path, { recursive: true, force: true })
  return remove.pipe(
    Effect.catch(() => Effect.andThen(openDirectories(fs, path), remove)),
    Effect.ignore({ log: true })
  )
}

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
    yield* removeTree(fs, `${directory}/${name}`)
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

/**
 * A private directory in `directory`, which the scope removes. If the process is killed, the next build with that name
 * removes it. It is on the same file system, so that its content can be renamed into place. Fails with `BuildError`.
 */
export const scratchDirectory = (
  fs: FileSystem.FileSystem,
  directory: string,
  name: string
): Effect.Effect<string, BuildError, Scope.Scope> =>
  Effect.acquireRelease(acquire(fs, directory, name), (path) => removeTree(fs, path))

/** The same for the duration of one effect. */
export const withScratchDirectory = <A, E, R>(
  fs: FileSystem.FileSystem,
  directory: string,
  name: string,
  use: (path: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | BuildError, R> =>
  Effect.acquireUseRelease(acquire(fs, directory, name), use, (path) => removeTree(fs, path))
