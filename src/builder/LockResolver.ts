import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Apt } from "./Apt.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { ToolClosure, type Unpacked } from "./Closure.ts"
import { licensesOf } from "./Licenses.ts"
import { Lock, type LockFile, packageOf, Source } from "./Lock.ts"
import { architectureNames, Machine } from "./Machine.ts"
import { resolveInTree } from "./PackageTree.ts"
import { Progress } from "./Progress.ts"
import { scratchDirectory } from "./Scratch.ts"
import { bubblewrapSource, suites } from "./Toolbox.ts"
import { Workspace } from "./Workspace.ts"

const decodeSource = Schema.decodeUnknownEffect(Source)

// Packages without libraries need not be fetched for a lock.
const mayHoldLibraries = (paragraph: Readonly<Record<string, string>>, wanted: ReadonlyArray<string>) =>
  wanted.includes(paragraph["Package"] ?? "") || (paragraph["Section"] ?? "").includes("libs")

/** Finds the newest versions of the tools and of the libraries that they need. */
export class LockResolver extends Context.Service<LockResolver, {
  /** Resolves the tools for the architecture of the image and writes the lock. Entries of other architectures stay. */
  readonly resolve: Effect.Effect<LockFile, BuildError>
}>()("flatimage/builder/LockResolver") {
  static readonly layer = Layer.effect(
    LockResolver,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const apt = yield* Apt
      const closure = yield* ToolClosure
      const lock = yield* Lock
      const progress = yield* Progress
      const workspace = yield* Workspace
      const machine = yield* Machine

      const candidates = Effect.fnUntraced(function*(suite: string, names: ReadonlyArray<string>) {
        const { debian } = yield* machine.target
        const architectures = debian === machine.architecture.debian ? [] : [debian]
        yield* apt.update(suite, architectures)
        const paragraphs = yield* apt.closure(suite, names, architectures)
        return yield* Effect.forEach(
          paragraphs.filter((paragraph) => mayHoldLibraries(paragraph, names)),
          (paragraph) => packageOf(paragraph, suite, debian)
        )
      })

      const sourceOf = Effect.fnUntraced(function*(name: string, suite: string) {
        const found = yield* apt.source(suite, name)
        return yield* decodeSource({ name, suite, ...found, licenses: licensesOf(name, "") }).pipe(
          Effect.mapError((error) =>
            buildError("Refused", { detail: `the source of ${name} has an unexpected description: ${error.message}` })
          )
        )
      })

      const withLicenses = Effect.fnUntraced(function*(unpacked: Unpacked) {
        const path = `usr/share/doc/${unpacked.package.name}/copyright`
        const file = yield* resolveInTree(fs, unpacked.tree, path)
        const text = file === undefined ? "" : yield* fs.readFileString(file).pipe(atPath(file))
        return { ...unpacked.package, licenses: licensesOf(unpacked.package.source, text) }
      })

      const resolve = Effect.gen(function*() {
        const work = yield* scratchDirectory(fs, yield* workspace.directory("cache"), "candidates")
        const packages = yield* progress.step(
          "Lists of packages",
          (report) =>
            Effect.forEach(
              suites,
              ({ packages, suite }, index) => Effect.tap(candidates(suite, packages), report(index + 1, suites.length))
            ),
          (all) => `${all.flat().length} candidates`
        )
        const unpacked = yield* progress.step("Candidates", () => closure.unpack(packages.flat(), work))
        const found = yield* closure.collect(unpacked)
        const used = unpacked.filter((candidate) => found.some((file) => file.from === candidate))
        const resolved = yield* Effect.forEach(used, withLicenses)
        const { debian } = yield* machine.target
        const others = yield* lock.read.pipe(
          Effect.map((before) => before.packages.filter((pinned) => pinned.architecture !== debian)),
          Effect.orElseSucceed(() => [])
        )
        const source = yield* progress.step(
          "Sources",
          () => sourceOf(bubblewrapSource.name, bubblewrapSource.suite),
          ({ name, version }) => `${name} ${version}`
        )
        // The order does not depend on which architecture was locked last.
        const all = [...resolved, ...others]
        const ordered = architectureNames.flatMap((name) => all.filter((pinned) => pinned.architecture === name))
        const file: LockFile = { format: 1, packages: ordered, sources: [source] }
        yield* lock.write(file)
        return file
      }).pipe(Effect.scoped)

      return LockResolver.of({ resolve })
    })
  )
}
