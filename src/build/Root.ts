import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { sha256 } from "../image/Sha256.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { makeBlueprint } from "./Blueprint.ts"
import type { Closure } from "./Closure.ts"
import { sha256OfFile } from "./Digest.ts"
import { debianFiles, debianLeftovers } from "./dist/Debian.ts"
import { Machine } from "./Machine.ts"
import { Mkdwarfs } from "./Mkdwarfs.ts"
import { type DebianOptions, Mmdebstrap } from "./Mmdebstrap.ts"
import { formatBytes, Progress } from "./Progress.ts"
import { scratchDirectory } from "./Scratch.ts"
import { Tarball } from "./Tarball.ts"
import { Workspace } from "./Workspace.ts"

/** Where a root tree comes from. */
export type RootSource =
  | { readonly _tag: "Debian"; readonly options: DebianOptions }
  | { readonly _tag: "Blueprint" }
  /** A directory or a tar archive. */
  | { readonly _tag: "Given"; readonly path: string }

/** A tree on disk: who its files belong to is known, or lost and to be replaced by root. */
interface Tree {
  readonly directory: string
  readonly ownedByRoot: boolean
}

/** Makes the lowest layer of an image. */
export class RootLayer extends Context.Service<RootLayer, {
  /** The path of the packed layer, made only when the cache does not have it. Fails with `BuildError`. */
  readonly make: (
    source: RootSource,
    closure: Closure,
    level: number
  ) => Effect.Effect<string, BuildError, Scope.Scope>
}>()("flatimage/build/Root/RootLayer") {
  static readonly layer = Layer.effect(
    RootLayer,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const mkdwarfs = yield* Mkdwarfs
      const mmdebstrap = yield* Mmdebstrap
      const progress = yield* Progress
      const tarball = yield* Tarball
      const workspace = yield* Workspace
      const { isRoot } = yield* Machine

      // Readable by nobody else: a tree may hold programs that run as root for whoever starts them.
      const privateDirectory = Effect.flatMap(
        workspace.directory("cache"),
        (directory) => scratchDirectory(fs, directory, "root")
      )

      const emptyTree = Effect.gen(function*() {
        const directory = `${yield* privateDirectory}/root`
        yield* fs.makeDirectory(directory).pipe(atPath(directory))
        yield* fs.chmod(directory, 0o755).pipe(atPath(directory))
        return directory
      })

      const unpacked = Effect.fnUntraced(function*(archive: string) {
        const directory = yield* emptyTree
        yield* progress.step("Unpacking the root tree", () => tarball.unpack(archive, directory))
        return directory
      })

      const debianTree = Effect.fnUntraced(function*(archive: string) {
        const directory = yield* unpacked(archive)
        for (const path of debianLeftovers) {
          yield* fs.remove(`${directory}/${path}`, { recursive: true, force: true }).pipe(atPath(path))
        }
        for (const [path, content, mode] of debianFiles) {
          const file = `${directory}/${path}`
          // A link there would lead to a file of this machine.
          yield* fs.remove(file, { force: true }).pipe(atPath(path))
          yield* fs.writeFileString(file, content).pipe(atPath(path))
          yield* fs.chmod(file, mode).pipe(atPath(path))
        }
        return { directory, ownedByRoot: !isRoot }
      })

      const pack = Effect.fnUntraced(function*<R>(
        path: string,
        level: number,
        tree: Effect.Effect<Tree, BuildError, R>
      ) {
        const { directory, ownedByRoot } = yield* tree
        const { bytesOut, files } = yield* progress.step(
          "Packing the root tree",
          (report) => mkdwarfs.pack(directory, path, { level, ownedByRoot }, report),
          (summary) => `${summary.files} files, ${formatBytes(summary.bytesIn)} to ${formatBytes(summary.bytesOut)}`
        )
        if (files === 0 && bytesOut === 0) {
          return yield* buildError("Refused", { detail: `the root tree ${directory} is empty` })
        }
        return path
      }, Effect.scoped)

      const cachedPack = Effect.fnUntraced(function*<R>(
        key: string,
        level: number,
        tree: Effect.Effect<Tree, BuildError, R>
      ) {
        const { path, present } = yield* mkdwarfs.cached(isRoot ? key : `${key}-user`, level)
        return present ? path : yield* pack(path, level, tree)
      })

      const given = Effect.fnUntraced(function*(path: string, level: number) {
        const info = yield* fs.stat(path).pipe(atPath(path))
        if (info.type !== "Directory") {
          const key = `tar-${(yield* sha256OfFile(fs, path)).slice(0, 16)}`
          const tree = Effect.map(unpacked(path), (directory) => ({ directory, ownedByRoot: !isRoot }))
          return yield* cachedPack(key, level, tree)
        }
        if ((yield* fs.readDirectory(path).pipe(atPath(path))).length === 0) {
          return yield* buildError("Refused", { detail: `the directory ${path} is empty` })
        }
        // What is in a directory may change at any time: it is packed each time, and not kept.
        const layer = `${yield* privateDirectory}/layer`
        return yield* pack(layer, level, Effect.succeed({ directory: path, ownedByRoot: !isRoot }))
      })

      const make = Effect.fn("RootLayer.make")(function*(source: RootSource, closure: Closure, level: number) {
        switch (source._tag) {
          case "Given":
            return yield* given(source.path, level)
          case "Blueprint": {
            const key = `blueprint-${sha256(JSON.stringify(closure.files)).slice(0, 12)}`
            const tree = Effect.gen(function*() {
              const directory = yield* emptyTree
              yield* makeBlueprint(fs, closure, directory)
              return { directory, ownedByRoot: true }
            })
            return yield* cachedPack(key, level, tree)
          }
          case "Debian": {
            const archive = yield* progress.step(
              `Debian ${source.options.suite}`,
              (report) => mmdebstrap.tree(source.options, report)
            )
            const key = `${mmdebstrap.key(source.options)}-${(yield* sha256OfFile(fs, archive)).slice(0, 12)}`
            return yield* cachedPack(key, level, debianTree(archive))
          }
        }
      })

      return RootLayer.of({ make })
    })
  )
}
