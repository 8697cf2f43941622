import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Elf from "../image/Elf.ts"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"
import { appletsOf } from "./Applets.ts"
import { Apt } from "./Apt.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { verifyFile } from "./Digest.ts"
import { Lock, type Package } from "./Lock.ts"
import { Machine, Target } from "./Machine.ts"
import { resolveInTree } from "./PackageTree.ts"
import { Programs } from "./Programs.ts"
import { Progress } from "./Progress.ts"
import { replaceFile } from "./Replace.ts"
import { scratchDirectory } from "./Scratch.ts"
import { libraryDirectories, toolSources } from "./Toolbox.ts"
import { Workspace } from "./Workspace.ts"

/** One file for the application directory, and the package it came from. */
const ClosureFile = Schema.Struct({
  path: Schema.String,
  sha256: Schema.String,
  package: Schema.String
})

const Index = Schema.Struct({
  files: Schema.Array(ClosureFile),
  applets: Schema.Array(Schema.String)
})

/** The tools that come from Debian. `directory` contains `bin` and `lib` with the `files`. */
export interface Closure {
  readonly directory: string
  readonly files: ReadonlyArray<typeof ClosureFile.Type>
  readonly applets: ReadonlyArray<string>
  readonly packages: ReadonlyArray<Package>
}

/** An unpacked package. */
export interface Unpacked {
  readonly package: Package
  readonly tree: string
}

interface Found {
  readonly path: string
  readonly file: string
  readonly bytes: Uint8Array
  readonly from: Unpacked
}

const decodeIndex = Schema.decodeUnknownEffect(Schema.fromJsonString(Index))

// Part of the name of the cached directory, so that files of another layout are not reused.
const layoutVersion = 2

/** The programs and libraries of Debian that an image contains. */
export class ToolClosure extends Context.Service<ToolClosure, {
  /** Unpacks packages below `directory`. */
  readonly unpack: (
    packages: ReadonlyArray<Package>,
    directory: string
  ) => Effect.Effect<ReadonlyArray<Unpacked>, BuildError>
  /**
   * The tools and all libraries that they need, found by reading `DT_NEEDED`. Fails with `BuildError` if no package
   * contains one of them.
   */
  readonly collect: (unpacked: ReadonlyArray<Unpacked>) => Effect.Effect<ReadonlyArray<Found>, BuildError>
  /** The locked tools for the architecture of the image. Downloads what the cache does not have. */
  readonly locked: Effect.Effect<Closure, BuildError>
  /** The same for this machine, whose programs a build runs. */
  readonly ofMachine: Effect.Effect<Closure, BuildError>
}>()("flatimage/builder/Closure/ToolClosure") {
  static readonly layer = Layer.effect(
    ToolClosure,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const apt = yield* Apt
      const lock = yield* Lock
      const programs = yield* Programs
      const progress = yield* Progress
      const workspace = yield* Workspace
      const machine = yield* Machine

      const librariesOf = Effect.fnUntraced(function*(path: string, bytes: Uint8Array) {
        const elf = yield* Effect.fromResult(Elf.parse(bytes)).pipe(
          Effect.mapError((error) => buildError("BadBinary", { path, detail: error.message }, error))
        )
        const target = yield* machine.target
        if (elf.machine !== target.elf) {
          return yield* buildError("BadBinary", { path, detail: `it is not for ${target.debian}` })
        }
        const needed = yield* Effect.fromResult(Elf.needed(elf, bytes)).pipe(
          Effect.mapError((error) => buildError("BadBinary", { path, detail: error.message }, error))
        )
        const loader = Elf.interpreter(elf, bytes)?.split("/").pop()
        return loader === undefined ? needed : [...needed, loader]
      })

      const unpack = Effect.fn("ToolClosure.unpack")(function*(packages: ReadonlyArray<Package>, directory: string) {
        return yield* Effect.forEach(packages, (pinned) =>
          Effect.gen(function*() {
            const deb = yield* apt.fetch(pinned)
            const tree = `${directory}/${pinned.suite}-${pinned.name}`
            yield* fs.makeDirectory(tree, { recursive: true }).pipe(atPath(tree))
            yield* programs.run("dpkg-deb", ["-x", deb, tree])
            return { package: pinned, tree }
          }))
      })

      const findLibrary = Effect.fnUntraced(function*(unpacked: ReadonlyArray<Unpacked>, library: string) {
        const { triplet } = yield* machine.target
        for (const from of unpacked) {
          for (const directory of libraryDirectories) {
            const path = `${directory.replace("*", triplet)}/${library}`
            const file = yield* resolveInTree(fs, from.tree, path)
            if (file !== undefined) return { file, from }
          }
        }
        return undefined
      })

      const collect = Effect.fn("ToolClosure.collect")(function*(unpacked: ReadonlyArray<Unpacked>) {
        const found: Array<Found> = []
        const seen = new Set<string>()
        const wanted: Array<{ readonly library: string; readonly neededBy: string }> = []
        const add = Effect.fnUntraced(function*(path: string, file: string, from: Unpacked) {
          const bytes = yield* fs.readFile(file).pipe(atPath(file))
          for (const library of yield* librariesOf(file, bytes)) wanted.push({ library, neededBy: path })
          found.push({ path, file, bytes, from })
        })
        for (const tool of toolSources) {
          const from = unpacked.find((candidate) => candidate.package.name === tool.package)
          const file = from === undefined ? undefined : yield* resolveInTree(fs, from.tree, tool.file)
          if (from === undefined || file === undefined) {
            return yield* buildError("LibraryMissing", {
              library: `${tool.package}:${tool.file}`,
              neededBy: "the image"
            })
          }
          yield* add(`bin/${tool.name}`, file, from)
        }
        for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
          if (seen.has(next.library)) continue
          seen.add(next.library)
          const library = yield* findLibrary(unpacked, next.library)
          if (library === undefined) return yield* buildError("LibraryMissing", next)
          yield* add(`lib/${next.library}`, library.file, library.from)
        }
        return found
      })

      const build = Effect.fnUntraced(function*(packages: ReadonlyArray<Package>, directory: string) {
        const work = yield* scratchDirectory(fs, yield* workspace.directory("cache"), "unpacked")
        const fetched = yield* progress.step(
          "Debian packages of the tools",
          (report) =>
            Effect.forEach(
              packages,
              (pinned, index) => Effect.andThen(apt.fetch(pinned), report(index + 1, packages.length))
            ),
          () => `${packages.length} packages`
        )
        const found = yield* progress.step(
          "Unpacking the tools",
          () => Effect.flatMap(unpack(packages, work), collect),
          (all) => `${all.length} files of ${fetched.length} packages`
        )
        yield* fs.makeDirectory(`${directory}/bin`, { recursive: true }).pipe(atPath(directory))
        yield* fs.makeDirectory(`${directory}/lib`, { recursive: true }).pipe(atPath(directory))
        for (const { bytes, path } of found) {
          const target = `${directory}/${path}`
          yield* replaceFile(fs, target, bytes)
          yield* fs.chmod(target, 0o755).pipe(atPath(target))
        }
        const busybox = `${directory}/bin/busybox`
        const applets = yield* appletsOf(busybox, yield* fs.readFile(busybox).pipe(atPath(busybox)))
        const index = {
          files: found.map(({ bytes, from, path }) => ({
            path,
            sha256: sha256(native, bytes),
            package: from.package.name
          })),
          applets
        }
        yield* replaceFile(fs, `${directory}/index.json`, new TextEncoder().encode(JSON.stringify(index)))
        return index
      }, Effect.scoped)

      const locked = Effect.gen(function*() {
        const { debian } = yield* machine.target
        const packages = (yield* lock.read).packages.filter((pinned) => pinned.architecture === debian)
        if (packages.length === 0) {
          return yield* buildError("LockInvalid", {
            path: lock.path,
            detail: `it has no packages for ${debian}: run "flatimage tools lock --arch ${debian}"`
          })
        }
        const key = sha256(native, JSON.stringify([layoutVersion, toolSources, packages])).slice(0, 16)
        const place = debian === machine.architecture.debian ? "tools" : `tools-${debian}`
        const directory = yield* workspace.directory("cache", place, key)
        const path = `${directory}/index.json`
        const known = yield* fs.readFileString(path).pipe(
          Effect.flatMap(decodeIndex),
          Effect.tap((index) =>
            Effect.forEach(index.files, (file) => verifyFile(fs, native, `${directory}/${file.path}`, file.sha256))
          ),
          Effect.result
        )
        // A missing or changed file in the cache is no error: everything is made again from the pinned packages.
        const index = Result.isSuccess(known) ? known.success : yield* build(packages, directory)
        return { ...index, directory, packages }
      })

      return ToolClosure.of({
        unpack,
        collect,
        locked,
        ofMachine: Effect.provideService(locked, Target, undefined)
      })
    })
  )
}
