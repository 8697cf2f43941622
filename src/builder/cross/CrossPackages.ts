import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NativeBytes } from "../../platform/NativeBytes.ts"
import { sha256 } from "../../platform/Sha256.ts"
import { Apt } from "../Apt.ts"
import { atPath, type BuildError } from "../BuildError.ts"
import { Package, packageOf } from "../Lock.ts"
import { Machine } from "../Machine.ts"
import { Programs } from "../Programs.ts"
import { Progress } from "../Progress.ts"
import { replaceFile, replacePath } from "../Replace.ts"
import { Workspace } from "../Workspace.ts"

/** Packages that are unpacked into one tree. */
export interface Collection {
  /** Part of the name of its directory. */
  readonly name: string
  /** Label of the progress. */
  readonly label: string
  readonly suite: string
  /** Names of packages to install, `NAME` or `NAME:ARCHITECTURE`. */
  readonly packages: ReadonlyArray<string>
  /** Selects which of these packages and their dependencies are unpacked. */
  readonly wanted: (name: string, architecture: string) => boolean
  /** Paths that are copied from the tree; the whole tree if absent. */
  readonly paths?: ReadonlyArray<string>
}

const Chosen = Schema.Struct({ format: Schema.Literal(1), packages: Schema.Array(Package) })

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Chosen))

/**
 * Debian packages that build for another architecture. They are not in `tools.lock.json`: an image contains nothing of
 * them, and a build for this machine does not need them. apt verifies the signature of the lists that they are chosen from.
 */
export class CrossPackages extends Context.Service<CrossPackages, {
  /**
   * The directory with the tree of a collection. The first build unpacks the newest packages of the mirror; later builds
   * use the same tree without the network. Fails with `BuildError`.
   */
  readonly tree: (collection: Collection) => Effect.Effect<string, BuildError>
}>()("flatimage/builder/cross/CrossPackages") {
  static readonly layer = Layer.effect(
    CrossPackages,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const apt = yield* Apt
      const programs = yield* Programs
      const progress = yield* Progress
      const workspace = yield* Workspace
      const machine = yield* Machine

      const find = Effect.fnUntraced(function*(collection: Collection) {
        const { packages, suite, wanted } = collection
        const own = machine.architecture.debian
        const architectures = [...new Set([own, (yield* machine.target).debian])]
        yield* apt.update(suite, architectures)
        const paragraphs = yield* apt.closure(suite, packages, architectures)
        return yield* Effect.forEach(
          paragraphs.filter((paragraph) => wanted(paragraph["Package"] ?? "", paragraph["Architecture"] ?? "")),
          (paragraph) => packageOf(paragraph, suite, paragraph["Architecture"] === "arm64" ? "arm64" : "amd64")
        )
      })

      const unpack = Effect.fnUntraced(function*(collection: Collection, packages: ReadonlyArray<Package>, to: string) {
        yield* fs.makeDirectory(to).pipe(atPath(to))
        const all = `${to}.all`
        const into = collection.paths === undefined ? to : all
        yield* progress.step(
          collection.label,
          (report) =>
            Effect.forEach(packages, (pinned, index) =>
              Effect.gen(function*() {
                const deb = yield* apt.fetch(pinned)
                yield* programs.run("dpkg-deb", ["-x", deb, into])
                // The unpacked tree replaces it.
                yield* fs.remove(deb).pipe(atPath(deb))
                yield* report(index + 1, packages.length)
              }), { discard: true }),
          () => `${packages.length} packages`
        )
        for (const path of collection.paths ?? []) {
          yield* fs.copyFile(`${all}/${path}`, `${to}/${path.split("/").pop()}`).pipe(atPath(path))
        }
      })

      const tree = Effect.fn("CrossPackages.tree")(function*(collection: Collection) {
        const directory = yield* workspace.directory("cache", "cross")
        const record = `${directory}/${collection.name}.json`
        const known = Option.getOrUndefined(
          decode(yield* fs.readFileString(record).pipe(Effect.orElseSucceed(() => "")))
        )
        const packages = known?.packages ?? (yield* find(collection))
        const key = sha256(native, JSON.stringify([collection.paths ?? [], packages])).slice(0, 16)
        const path = `${directory}/${collection.name}-${key}`
        if (!(yield* fs.exists(path).pipe(atPath(path)))) {
          yield* replacePath(fs, path, (temporary) => unpack(collection, packages, temporary))
        }
        if (known === undefined) {
          yield* replaceFile(fs, record, new TextEncoder().encode(JSON.stringify({ format: 1, packages })))
        }
        return path
      })

      return CrossPackages.of({ tree })
    })
  )
}
