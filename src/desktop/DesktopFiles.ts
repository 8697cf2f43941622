/** Files in the data home, by paths relative to it: written atomically, and only if the content changes. */
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

/** More of a file that is in our way is not read. */
const maxSize = 65_536

export class DesktopFiles extends Context.Service<DesktopFiles, {
  /** A text; nothing where there is no file, or none that could be ours. */
  readonly read: (path: string) => Effect.Effect<string | undefined, DesktopError>
  readonly exists: (path: string) => Effect.Effect<boolean, DesktopError>
  /** Writes this content. Returns whether it was not there before. */
  readonly put: (path: string, content: string | Uint8Array) => Effect.Effect<boolean, DesktopError>
  /** Removes files; the answer names those that were there. What is no file stays. */
  readonly remove: (paths: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, DesktopError>
  /**
   * Makes the directories of these files, the data home and what leads to it; the answer names those that were not there, in
   * the order of making. `.` is the data home, `..` and so on are above it.
   */
  readonly makeDirectories: (paths: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, DesktopError>
  /** Removes the directories of these that are empty, inner ones first; the answer names those that are left. */
  readonly removeDirectories: (paths: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, DesktopError>
}>()("flatimage/desktop/DesktopFiles") {
  static readonly layer: Layer.Layer<DesktopFiles, never, FileSystem.FileSystem | NativeBytes | Posix | Records> = Layer
    .effect(
      DesktopFiles,
      Effect.suspend(() => make())
    )
}

const parts = (path: string): ReadonlyArray<string> => path.split("/").filter((name) => name !== ".")

/** A directory by its path from the data home. */
const resolve = (home: string, path: string): string =>
  parts(path).reduce((found, name) => name === ".." ? dirname(found) : `${found}/${name}`, home)

/** How far inside the data home a directory is, or above it. */
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

  /** The data home and what leads to it, as far as it is not there, outermost first. */
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
