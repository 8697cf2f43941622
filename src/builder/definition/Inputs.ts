/** A digest of the machine's files that the steps of a definition read: a change rebuilds the step. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Shape as Native } from "../../platform/NativeBytes.ts"
import { sha256 } from "../../platform/Sha256.ts"
import { atPath, type BuildError, buildError } from "../BuildError.ts"
import { sha256OfFile } from "../Digest.ts"

/** Limit of files and directories that a step copies. */
const maxEntries = 200_000

const lstat = (fs: FileSystem.FileSystem, path: string) => fs.lstat(path).pipe(atPath(path))

/** An entry at or below a path: its relative name, which is empty or begins with a slash, and its metadata. */
interface Entry {
  readonly name: string
  readonly path: string
  readonly type: "Directory" | "File" | "SymbolicLink"
  readonly mode: string
  /** Target of a symbolic link. */
  readonly target?: string
}

/** All entries at and below `path`, sorted by name, each directory before its content. */
const entriesOf = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: string
): Effect.fn.Return<ReadonlyArray<Entry>, BuildError> {
  const entries: Array<Entry> = []
  const left = [""]
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    const here = `${path}${name}`
    const { mode, type } = yield* lstat(fs, here)
    if (entries.length >= maxEntries) {
      return yield* buildError("Refused", { detail: `${path} has more than ${maxEntries} files` })
    }
    if (type !== "Directory" && type !== "File" && type !== "SymbolicLink") {
      return yield* buildError("Refused", {
        detail: `${here} is neither file, directory nor link, and cannot be copied`
      })
    }
    const target = type === "SymbolicLink" ? { target: yield* fs.readLink(here).pipe(atPath(here)) } : {}
    entries.push({ name, path: here, type, mode: (mode & 0o7777).toString(8), ...target })
    if (type === "Directory") {
      const names = (yield* fs.readDirectory(here).pipe(atPath(here))).toSorted().toReversed()
      left.push(...names.map((entry) => `${name}/${entry}`))
    }
  }
  return entries
})

/** Fails with `BuildError` if a step cannot copy its files, as far as that can be checked without reading them. */
export const checkTree = (fs: FileSystem.FileSystem, path: string): Effect.Effect<void, BuildError> =>
  Effect.asVoid(entriesOf(fs, path))

/**
 * A digest of names, types, permissions and contents below `path`. A link counts by its target path, not by the target's
 * content. Times and owners do not count, so that a fresh checkout has the same digest. Fails with `BuildError`.
 */
export const digestOfTree = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  native: Native,
  path: string
): Effect.fn.Return<string, BuildError> {
  const lines: Array<string> = []
  for (const { mode, name, path: here, target, type } of yield* entriesOf(fs, path)) {
    lines.push(JSON.stringify(
      type === "Directory"
        ? [name, "d", mode]
        : type === "File"
        ? [name, "-", mode, yield* sha256OfFile(fs, native, here)]
        : [name, "l", target]
    ))
  }
  return sha256(native, lines.join("\n"))
})

/**
 * Resolves the path of a file that a definition in `directory` names. It must be below that directory, so that building
 * another author's definition does not expose files of the machine.
 *
 * @returns the absolute path; fails with `BuildError`
 */
export const pathBelow = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  directory: string,
  name: string
): Effect.fn.Return<string, BuildError> {
  const outside = buildError("Refused", {
    detail: `${JSON.stringify(name)} is not below the directory of the definition`
  })
  const parts = name.split("/").filter((part) => part !== "" && part !== ".")
  if (name.startsWith("/") || parts.includes("..") || parts.length === 0) return yield* outside
  const real = yield* fs.realPath(directory).pipe(atPath(directory))
  const parent = [real, ...parts.slice(0, -1)].join("/")
  // A link in the path may lead anywhere.
  const place = yield* fs.realPath(parent).pipe(atPath(parent))
  if (place !== real && !place.startsWith(`${real}/`)) return yield* outside
  const path = `${place}/${parts.at(-1)}`
  yield* lstat(fs, path)
  return path
})
