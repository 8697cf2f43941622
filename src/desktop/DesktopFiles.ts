/** Files in the data home, by relative paths. They are written atomically, and only if the content changes. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { replaceWith } from "../PartFile.ts"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { Posix } from "../platform/Posix.ts"
import { dirname } from "../relocate/Directories.ts"
import * as Utf8 from "../Utf8.ts"
import { type DesktopError, filesError } from "./DesktopError.ts"
import { Records } from "./Records.ts"

/** Limit of a file that is read, in bytes. A larger one is not ours. */
const maxSize = 65_536

/** Files and directories of the data home. */
export class DesktopFiles extends Context.Service<DesktopFiles, {
  /** The text of a file; `undefined` if there is no file, or none that can be ours. */
  readonly read: (path: string) => Effect.Effect<string | undefined, DesktopError>
  readonly exists: (path: string) => Effect.Effect<boolean, DesktopError>
  /** Writes this content. Returns whether the file changed. */
  readonly put: (path: string, content: string | Uint8Array) => Effect.Effect<boolean, DesktopError>
  /** Removes files and returns those that existed. Entries that are not files stay. */
  readonly remove: (paths: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, DesktopError>
  /**
   * Creates the directories of these files, the data home and its parents. Returns those that did not exist, in the order
   * of creation. `.` is the data home, `..` and so on are its parents.
   */
  readonly makeDirectories: (paths: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, DesktopError>
  /** Removes those of these directories that are empty, inner ones first. Returns the remaining ones. */
  readonly removeDirectories: (paths: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, DesktopError>
}>()("flatimage/desktop/DesktopFiles") {
  static readonly layer: Layer.Layer<DesktopFiles, never, FileSystem.FileSystem | NativeBytes | Posix | Records> = Layer
    .effect(
      DesktopFiles,
      Effect.suspend(() => make())
    )
}

const parts = (path: string): ReadonlyArray<string> => path.split("/").filter((name) => name !== ".")

/** The absolute path of a directory, given relative to the data home. */
const resolve = (home: string, path: string): string =>
  parts(path).reduce((found, name) => name === ".." ? dirname(found) : `${found}/${name}`, home)

/** How many levels a directory is below the data home; negative above it. */
const depth = (path: string): number => parts(path).reduce((sum, name) => name === ".." ? sum - 1 : sum + 1, 0)

const make = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const native = yield* NativeBytes
  const { rmdir } = yield* Posix
  const { home } = yield* Records

  const at = (path: string) => Effect.map(home, (directory) => `${directory}/${path}`)
  const missing = { _tag: "Missing", size: 0 } as const
  const kindOf = (path: string) =>
    fs.lstat(path).pipe(
      Effect.map((info) => ({ _tag: info.type, size: Number(info.size) })),
      Effect.catchIf(
        (error) => error.reason._tag === "NotFound",
        () => Effect.succeed(missing)
      ),
      Effect.mapError(filesError(path))
    )

  /** The data home and its parents, as far as they do not exist, outermost first. */
  const missingAbove = Effect.fnUntraced(function*(top: string) {
    const missing: Array<string> = []
    for (
      let path = ".";
      (yield* kindOf(resolve(top, path)))._tag === "Missing";
      path = path === "." ? ".." : `${path}/..`
    ) {
      missing.unshift(path)
    }
    return missing
  })

  const put = Effect.fn("DesktopFiles.put")(function*(path: string, content: string | Uint8Array) {
    const target = yield* at(path)
    const bytes = typeof content === "string" ? Utf8.encode(content) : content
    const { _tag, size } = yield* kindOf(target)
    if (_tag === "File" && size === bytes.length && native.equal(yield* fs.readFile(target), bytes)) return false
    yield* replaceWith(target, bytes, 0o644).pipe(Effect.provideService(FileSystem.FileSystem, fs))
    return true
  }, (self, path) => Effect.catchTag(self, "PlatformError", (error) => Effect.fail(filesError(path)(error))))

  return DesktopFiles.of({
    read: Effect.fn("DesktopFiles.read")(function*(path) {
      const target = yield* at(path)
      const { _tag, size } = yield* kindOf(target)
      if (_tag === "Missing") return undefined
      if (_tag !== "File" || size > maxSize) return ""
      return yield* fs.readFileString(target).pipe(Effect.mapError(filesError(target)))
    }),
    exists: (path) => at(path).pipe(Effect.flatMap(kindOf), Effect.map(({ _tag }) => _tag !== "Missing")),
    put,
    remove: Effect.fn("DesktopFiles.remove")(function*(paths) {
      return yield* Effect.filter(paths, (path) =>
        Effect.gen(function*() {
          const target = yield* at(path)
          const { _tag } = yield* kindOf(target)
          if (_tag !== "File" && _tag !== "SymbolicLink") return false
          yield* fs.remove(target).pipe(Effect.mapError(filesError(target)))
          return true
        }))
    }),
    makeDirectories: Effect.fn("DesktopFiles.makeDirectories")(function*(paths) {
      const top = yield* home
      const wanted = [
        ...yield* missingAbove(top),
        ...new Set(
          paths.flatMap((path) =>
            path.split("/").slice(0, -1).map((_, index, names) => names.slice(0, index + 1).join("/"))
          )
        )
      ]
      const created: Array<string> = []
      for (const path of wanted) {
        const target = resolve(top, path)
        const isNew = yield* fs.makeDirectory(target).pipe(
          Effect.as(true),
          Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
          Effect.mapError(filesError(target))
        )
        if (isNew) created.push(path)
      }
      return created
    }),
    removeDirectories: Effect.fn("DesktopFiles.removeDirectories")(function*(paths) {
      const left: Array<string> = []
      const top = yield* home
      for (const path of [...paths].sort((one, other) => depth(other) - depth(one))) {
        const target = resolve(top, path)
        const names = yield* Effect.orElseSucceed(fs.readDirectory(target), () => undefined)
        if (names === undefined) continue
        if (names.length > 0) left.unshift(path)
        else yield* Effect.ignore(rmdir(target))
      }
      return left
    })
  })
})
