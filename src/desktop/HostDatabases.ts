/** Updates the desktop's databases of entries and types with the host's programs, if they are installed. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { Posix } from "../platform/Posix.ts"
import { runSilently } from "./HostProgram.ts"

/** A database of some hundred types takes a second. */
const timeout = "20 seconds"

/** The files that `update-mime-database` creates beside `packages`. */
const mimeCaches =
  "aliases generic-icons globs globs2 icons magic mime.cache subclasses treemagic types version XMLnamespaces"
const mediaTypes =
  "application audio chemical font image inode message model multipart text video x-content x-epoc x-scheme-handler"

/** The host's databases of types, entries and icons. */
export class HostDatabases extends Context.Service<HostDatabases, {
  /** Call it after a change of types. `home` is the data home, here and below. */
  readonly updateTypes: (home: string) => Effect.Effect<void>
  /** Call it after a change of entries. */
  readonly updateEntries: (home: string) => Effect.Effect<void>
  /** Call it after a change of icons. */
  readonly updateIcons: (home: string) => Effect.Effect<void>
  /** Removes the output of these programs from the directories, if nothing else is left to index. */
  readonly removeCaches: (home: string, directories: ReadonlyArray<string>) => Effect.Effect<void>
}>()("flatimage/desktop/HostDatabases") {
  static readonly layer: Layer.Layer<
    HostDatabases,
    never,
    FileSystem.FileSystem | Posix | ChildProcessSpawner.ChildProcessSpawner
  > = Layer.effect(HostDatabases, Effect.suspend(() => make()))
}

const make = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const { rmdir } = yield* Posix
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner

  /** A host without the program does not need its output. */
  const run = (program: string, directory: string) => runSilently(spawner, program, [directory], timeout)

  const namesIn = (directory: string) => Effect.orElseSucceed(fs.readDirectory(directory), () => [])
  const removeAll = (paths: ReadonlyArray<string>) =>
    Effect.forEach(paths, (path) => Effect.ignore(fs.remove(path)), { discard: true })

  return HostDatabases.of({
    updateTypes: (home) => run("update-mime-database", `${home}/mime`),
    updateEntries: (home) => run("update-desktop-database", `${home}/applications`),
    // Icon caches are compared with the time of the directory.
    updateIcons: Effect.fn("HostDatabases.updateIcons")(function*(home) {
      const path = `${home}/icons/hicolor`
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      yield* Effect.ignore(fs.utimes(path, new Date(now), new Date(now)))
    }),
    removeCaches: Effect.fn("HostDatabases.removeCaches")(function*(home, directories) {
      const mime = `${home}/mime`
      if (directories.includes("mime") && (yield* namesIn(`${mime}/packages`)).length === 0) {
        yield* removeAll(mimeCaches.split(" ").map((name) => `${mime}/${name}`))
        // Only empty ones.
        yield* Effect.forEach(mediaTypes.split(" "), (name) => Effect.ignore(rmdir(`${mime}/${name}`)), {
          discard: true
        })
      }
      const cache = "mimeinfo.cache"
      if (directories.includes("applications")) {
        const names = yield* namesIn(`${home}/applications`)
        if (names.every((name) => name === cache)) yield* removeAll([`${home}/applications/${cache}`])
      }
    })
  })
})
