import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { atPath, type BuildError, buildError } from "./BuildError.ts"

const mostLinks = 8

const normalize = (path: string): string => {
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return parts.join("/")
}

/**
 * The regular file that `path` of an unpacked tree means, symbolic links followed as if the tree were the root: they
 * cannot lead out of it. Gives `undefined` when there is none. Fails with `BuildError` on links without an end.
 */
export const resolveInTree = (
  fs: FileSystem.FileSystem,
  tree: string,
  path: string
): Effect.Effect<string | undefined, BuildError> =>
  Effect.gen(function*() {
    let left = normalize(path).split("/")
    let done: Array<string> = []
    let links = 0
    while (left.length > 0) {
      const [name, ...rest] = left
      const here = [tree, ...done, name].join("/")
      const info = yield* fs.lstat(here).pipe(
        Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed(undefined)),
        atPath(here)
      )
      if (info === undefined) return undefined
      if (info.type === "SymbolicLink") {
        if (++links > mostLinks) {
          return yield* buildError("BadBinary", { path: here, detail: "its symbolic links have no end" })
        }
        const target = yield* fs.readLink(here).pipe(atPath(here))
        const from = target.startsWith("/") ? "" : done.join("/")
        left = normalize([from, target, ...rest].join("/")).split("/")
        done = []
        continue
      }
      if (rest.length === 0) return info.type === "File" ? here : undefined
      if (name !== undefined) done = [...done, name]
      left = rest
    }
    return undefined
  })
