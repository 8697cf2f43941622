import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { formatBytes } from "../FormatBytes.ts"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"
import { Apk } from "./apk/Apk.ts"
import { Archives, type ArchiveSource, isUrl } from "./Archives.ts"
import { makeBlueprint } from "./Blueprint.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import type { Closure } from "./Closure.ts"
import { sha256OfFile } from "./Digest.ts"
import { blueprint } from "./dist/Blueprint.ts"
import type { Distribution } from "./dist/Distribution.ts"
import { Machine } from "./Machine.ts"
import { Mkdwarfs } from "./Mkdwarfs.ts"
import { Mmdebstrap, type TreeOptions } from "./Mmdebstrap.ts"
import { removeInTree, writeInTree } from "./PackageTree.ts"
import { Pacman } from "./Pacman.ts"
import { Progress } from "./Progress.ts"
import { Repositories } from "./Repositories.ts"
import { scratchDirectory } from "./Scratch.ts"
import { Tarball } from "./Tarball.ts"
import { checkArchitecture } from "./TreeArchitecture.ts"
import { Workspace } from "./Workspace.ts"

/** Where a root tree comes from. */
export type RootSource =
  | { readonly _tag: "Packages"; readonly distribution: Distribution; readonly options: TreeOptions }
  | { readonly _tag: "Blueprint" }
  /** A directory or a tar archive, as a path or a URL. */
  | { readonly _tag: "Given"; readonly archive: ArchiveSource }

/** A tree on disk. Its files have their real owners, or owners that the packer replaces by root. */
interface Tree {
  readonly directory: string
  readonly ownedByRoot: boolean
}

const titleCase = (name: string) => `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`

/** Makes the lowest layer of an image. */
export class RootLayer extends Context.Service<RootLayer, {
  /** The path of the packed layer, which is made only if it is not cached. Fails with `BuildError`. */
  readonly make: (
    source: RootSource,
    closure: Closure,
    level: number
  ) => Effect.Effect<string, BuildError, Scope.Scope>
}>()("flatimage/builder/Root/RootLayer") {
  static readonly layer = Layer.effect(
    RootLayer,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const mkdwarfs = yield* Mkdwarfs
      const mmdebstrap = yield* Mmdebstrap
      const apk = yield* Apk
      const archives = yield* Archives
      const pacman = yield* Pacman
      const repositories = yield* Repositories
      const progress = yield* Progress
      const tarball = yield* Tarball
      const workspace = yield* Workspace
      const { architecture, isRoot, target } = yield* Machine

      // Nobody else can read it: a tree may contain programs that run as root for its user.
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

      const unpacked = Effect.fnUntraced(function*(archive: string, strip = 0) {
        const directory = yield* emptyTree
        const members = yield* progress.step(
          "Unpacking the root tree",
          () => tarball.unpack(archive, directory, strip === 0 ? {} : { strip })
        )
        if (members.length === 0) return yield* buildError("Refused", { detail: `there is no tree in ${archive}` })
        return directory
      })

      /** Prepares a tree of packages for a sandbox. */
      const finished = Effect.fnUntraced(function*(distribution: Distribution, directory: string) {
        for (const path of distribution.leftovers) yield* removeInTree(fs, directory, path)
        for (const file of distribution.files) yield* writeInTree(fs, directory, file)
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
        tree: Effect.Effect<Tree, BuildError, R>,
        refresh = false
      ) {
        const { path, present } = yield* mkdwarfs.cached(isRoot ? key : `${key}-user`, level)
        return present && !refresh ? path : yield* pack(path, level, tree)
      })

      /** The archive or directory of a container has the trees of its layers in archives of their own. */
      const refuseContainer = Effect.fnUntraced(function*(directory: string, path: string) {
        const has = (name: string) => fs.exists(`${directory}/${name}`).pipe(Effect.orElseSucceed(() => false))
        const isTree = yield* Effect.forEach(["etc", "usr", "bin"], has)
        if (isTree.includes(true)) return
        const from = (yield* has("oci-layout")) && (yield* has("index.json"))
          ? directory === path ? "oci" : "oci-archive"
          : (yield* has("manifest.json")) && directory !== path
          ? "docker-archive"
          : undefined
        if (from === undefined) return
        return yield* buildError("Refused", {
          detail:
            `${path} is a container, not a root tree. To build an image of it: flatimage build --from ${from}:${path}`
        })
      })

      const given = Effect.fnUntraced(function*(archive: ArchiveSource, level: number) {
        const { path, strip } = archive
        const isDirectory = !isUrl(path) && (yield* fs.stat(path).pipe(atPath(path))).type === "Directory"
        if (!isDirectory) {
          const file = yield* isUrl(path)
            ? progress.step(`Fetching ${path}`, (report) => archives.verified(archive, report))
            : archives.verified(archive, () => Effect.void)
          const key = `tar-${(yield* sha256OfFile(fs, native, file)).slice(0, 16)}${
            strip === undefined ? "" : `-${strip}`
          }-${(yield* target).debian}`
          const tree = Effect.gen(function*() {
            const directory = yield* unpacked(file, strip)
            yield* refuseContainer(directory, path)
            yield* checkArchitecture(fs, directory, path, yield* target)
            return { directory, ownedByRoot: !isRoot }
          })
          return yield* cachedPack(key, level, tree)
        }
        if (archive.sha256 !== undefined || archive.signature !== undefined) {
          return yield* buildError("Refused", {
            detail: `${path} is a directory, which has no checksum and no signature`
          })
        }
        if ((yield* fs.readDirectory(path).pipe(atPath(path))).length === 0) {
          return yield* buildError("Refused", { detail: `the directory ${path} is empty` })
        }
        yield* refuseContainer(path, path)
        yield* checkArchitecture(fs, path, path, yield* target)
        // A directory may change at any time: it is packed each time, and not cached.
        const layer = `${yield* privateDirectory}/layer`
        return yield* pack(layer, level, Effect.succeed({ directory: path, ownedByRoot: !isRoot }))
      })

      const debootstrapped = Effect.fnUntraced(function*(
        distribution: Distribution,
        options: TreeOptions,
        level: number
      ) {
        const archive = yield* progress.step(
          `${titleCase(distribution.name)} ${options.suite}`,
          (report) => mmdebstrap.tree(distribution, options, report)
        )
        const key = `${yield* mmdebstrap.key(distribution, options)}-${
          (yield* sha256OfFile(fs, native, archive)).slice(0, 12)
        }`
        return yield* cachedPack(key, level, Effect.flatMap(unpacked(archive), (tree) => finished(distribution, tree)))
      })

      const installed = Effect.fnUntraced(function*(
        distribution: Distribution,
        options: TreeOptions,
        level: number
      ) {
        const repository = yield* repositories.find(distribution, options)
        const key = `${distribution.name}-${options.suite}-${
          sha256(
            native,
            JSON.stringify([
              distribution.revision,
              architecture.debian,
              repository,
              distribution.packages,
              options.include.toSorted()
            ])
          ).slice(0, 12)
        }`
        const tree = Effect.gen(function*() {
          const directory = yield* emptyTree
          yield* progress.step(
            `${titleCase(distribution.name)} ${options.suite}`.trim(),
            (report) =>
              distribution.manager._tag === "Apk"
                ? apk.install(distribution, repository, options, directory, report)
                : pacman.install(distribution, repository, options.include, directory, report)
          )
          return yield* finished(distribution, directory)
        })
        return yield* cachedPack(key, level, tree, options.refresh)
      })

      const make = Effect.fn("RootLayer.make")(function*(source: RootSource, closure: Closure, level: number) {
        switch (source._tag) {
          case "Given":
            return yield* given(source.archive, level)
          case "Blueprint": {
            const key = `blueprint-${sha256(native, JSON.stringify([blueprint.revision, closure.files])).slice(0, 12)}`
            const tree = Effect.gen(function*() {
              const directory = yield* emptyTree
              yield* makeBlueprint(fs, closure, directory)
              return { directory, ownedByRoot: true }
            })
            return yield* cachedPack(key, level, tree)
          }
          case "Packages": {
            const { distribution, options } = source
            return yield* distribution.manager._tag === "Apt"
              ? debootstrapped(distribution, options, level)
              : installed(distribution, options, level)
          }
        }
      })

      return RootLayer.of({ make })
    })
  )
}
