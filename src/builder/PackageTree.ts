import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { atPath, type BuildError, buildError } from "./BuildError.ts"

const maxLinks = 8

const normalize = (path: string): ReadonlyArray<string> => {
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return parts
}

const lstat = (fs: FileSystem.FileSystem, path: string) =>
  fs.lstat(path).pipe(
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed(undefined)),
    atPath(path)
  )

/** Where the walk along a path has ended. */
interface Reached {
  /** Absolute. */
  readonly path: string
  /** What is there; `undefined` if nothing is. */
  readonly type: FileSystem.File.Type | undefined
  /** Whether it is the end of the path. */
  readonly isEnd: boolean
}

/**
 * Walks along a path of an unpacked tree, one component after the other. Symbolic links are followed as if the tree were the root, so
 * they cannot leave it. `enter` decides whether the walk goes on from what it has reached. Fails with `BuildError` on a loop of links.
 */
const walk = Effect.fnUntraced(function*<E>(
  fs: FileSystem.FileSystem,
  tree: string,
  path: string,
  enter: (reached: Reached) => Effect.Effect<boolean, E>
) {
  let left = normalize(path)
  let done: ReadonlyArray<string> = []
  let links = 0
  let reached: Reached = { path: tree, type: "Directory", isEnd: left.length === 0 }
  while (left.length > 0) {
    const [name = "", ...rest] = left
    const here = [tree, ...done, name].join("/")
    const type = (yield* lstat(fs, here))?.type
    if (type === "SymbolicLink") {
      if (++links > maxLinks) {
        return yield* buildError("BadBinary", { path: here, detail: "its symbolic links have no end" })
      }
      const target = yield* fs.readLink(here).pipe(atPath(here))
      const from = target.startsWith("/") ? [] : done
      left = normalize([...from, target, ...rest].join("/"))
      done = []
      reached = { path: tree, type: "Directory", isEnd: left.length === 0 }
      continue
    }
    reached = { path: here, type, isEnd: rest.length === 0 }
    if (!(yield* enter(reached))) break
    done = [...done, name]
    left = rest
  }
  return reached
})

/**
 * Resolves a path of an unpacked tree to a regular file. Symbolic links are followed as if the tree were the root, so they
 * cannot leave it.
 *
 * @returns `undefined` if there is no such file; fails with `BuildError` on a loop of links
 */
export const resolveInTree = (
  fs: FileSystem.FileSystem,
  tree: string,
  path: string
): Effect.Effect<string | undefined, BuildError> =>
  Effect.map(
    walk(fs, tree, path, ({ type }) => Effect.succeed(type !== undefined)),
    (reached) => reached.isEnd && reached.type === "File" ? reached.path : undefined
  )

/**
 * Resolves a path of an unpacked tree to a directory, and creates missing directories (mode 0755). Links are followed as if
 * the tree were the root. Fails with `BuildError` if a component is not a directory, or on a loop of links.
 */
export const directoryInTree = (
  fs: FileSystem.FileSystem,
  tree: string,
  path: string
): Effect.Effect<string, BuildError> =>
  Effect.map(
    walk(fs, tree, path, ({ path: here, type }) => {
      if (type === "Directory") return Effect.succeed(true)
      return type === undefined
        ? fs.makeDirectory(here).pipe(Effect.andThen(fs.chmod(here, 0o755)), atPath(here), Effect.as(true))
        : Effect.fail(buildError("File", { path: here, detail: "it is in the place of a directory" }))
    }),
    (reached) => reached.path
  )

/**
 * Writes a file of an unpacked tree and replaces an existing one, without following a link at its end. Fails with
 * `BuildError`.
 */
export const writeInTree = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  tree: string,
  [path, content, mode]: readonly [path: string, content: string | Uint8Array, mode: number]
) {
  const slash = path.lastIndexOf("/")
  const file = `${yield* directoryInTree(fs, tree, path.slice(0, Math.max(0, slash)))}/${path.slice(slash + 1)}`
  // A link there would lead to a file of this machine.
  yield* fs.remove(file, { force: true }).pipe(atPath(file))
  yield* fs.writeFile(file, typeof content === "string" ? new TextEncoder().encode(content) : content).pipe(
    atPath(file)
  )
  yield* fs.chmod(file, mode).pipe(atPath(file))
})

/** Removes the entry at a path of an unpacked tree, if it exists. Fails with `BuildError`. */
export const removeInTree = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, tree: string, path: string) {
  const slash = path.lastIndexOf("/")
  const file = `${yield* directoryInTree(fs, tree, path.slice(0, Math.max(0, slash)))}/${path.slice(slash + 1)}`
  yield* fs.remove(file, { recursive: true, force: true }).pipe(atPath(file))
})
