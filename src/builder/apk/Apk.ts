import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { Compression } from "../../platform/Compression.ts"
import { NativeBytes } from "../../platform/NativeBytes.ts"
import { RsaSignatures } from "../../platform/RsaSignatures.ts"
import { sha256 } from "../../platform/Sha256.ts"
import { atPath, type BuildError, buildError } from "../BuildError.ts"
import type { Distribution } from "../dist/Distribution.ts"
import { Download } from "../Download.ts"
import { Machine } from "../Machine.ts"
import { Progress, type Report } from "../Progress.ts"
import { replacePath } from "../Replace.ts"
import type { Repository } from "../Repositories.ts"
import { scratchDirectory } from "../Scratch.ts"
import { Tarball } from "../Tarball.ts"
import { unpacking } from "../TarMembers.ts"
import { TreeSandbox } from "../TreeSandbox.ts"
import { Workspace } from "../Workspace.ts"
import { type Installed, writeDatabase } from "./Database.ts"
import { type Package, parseTerm, readIndex } from "./Index.ts"
import { verifyPackage } from "./Package.ts"
import { resolve } from "./Resolve.ts"
import { runScripts } from "./Scripts.ts"
import type { Keys } from "./Segments.ts"

/** Options of a tree. */
export interface ApkOptions {
  readonly suite: string
  /** Packages in addition to the distribution's own. */
  readonly include: ReadonlyArray<string>
}

/** Limits of an index and of a package, in bytes. */
const indexLimit = 64 << 20
const packageLimit = 1 << 30

/** Makes trees from packages of apk: `.apk` files of version 2, in repositories with a signed `APKINDEX.tar.gz`. */
export class Apk extends Context.Service<Apk, {
  /** Makes the tree in an empty directory, and runs the scripts of its packages. Fails with `BuildError`. */
  readonly install: (
    distribution: Distribution,
    repository: Repository,
    options: ApkOptions,
    tree: string,
    report: Report
  ) => Effect.Effect<void, BuildError>
}>()("flatimage/builder/apk/Apk") {
  static readonly layer = Layer.effect(
    Apk,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const { isPublicKey } = yield* RsaSignatures
      const services = yield* Effect.context<Compression | NativeBytes | RsaSignatures>()
      const download = yield* Download
      const progress = yield* Progress
      const sandbox = yield* TreeSandbox
      const tarball = yield* Tarball
      const workspace = yield* Workspace
      const { architecture } = yield* Machine

      const readKeys = Effect.fnUntraced(function*(keyring: string): Effect.fn.Return<Keys, BuildError> {
        const info = yield* fs.stat(keyring).pipe(atPath(keyring))
        const paths = info.type === "Directory"
          ? (yield* fs.readDirectory(keyring).pipe(atPath(keyring))).map((name) => `${keyring}/${name}`)
          : [keyring]
        const keys = new Map<string, string>()
        for (const path of paths.filter((path) => path.endsWith(".pub"))) {
          const key = yield* fs.readFileString(path).pipe(atPath(path))
          if (yield* isPublicKey(key)) keys.set(path.slice(path.lastIndexOf("/") + 1), key)
        }
        if (keys.size > 0) return keys
        return yield* buildError("Refused", {
          detail: `${keyring} has no public keys of RSA, files that end with .pub`
        })
      })

      const fetchIndex = Effect.fnUntraced(
        function*(base: string, processor: string, keys: Keys) {
          const directory = yield* scratchDirectory(fs, yield* workspace.directory("cache"), "index")
          const url = `${base}/APKINDEX.tar.gz`
          const path = `${directory}/index`
          yield* download.fetch(url, path, { limit: indexLimit })
          return yield* readIndex(url, yield* fs.readFile(path).pipe(atPath(path)), keys, base, processor)
        },
        Effect.provideContext(services),
        Effect.scoped
      )

      /** The verified file of a package, from the cache if it is there. */
      const fetchPackage = Effect.fnUntraced(function*(item: Package, keys: Keys) {
        const directory = yield* workspace.directory("cache", "apk")
        const path = `${directory}/${sha256(native, item.checksum).slice(0, 16)}-${item.name}.apk`
        const url = `${item.base}/${item.name}-${item.version}.apk`
        if (item.size > packageLimit) {
          return yield* buildError("Unreachable", { url, detail: `it has ${item.size} bytes` })
        }
        const verified = Effect.gen(function*() {
          return yield* verifyPackage(url, yield* fs.readFile(path).pipe(atPath(path)), item, keys)
        }).pipe(Effect.provideContext(services))
        if (yield* fs.exists(path).pipe(atPath(path))) {
          // It may have been signed again since.
          const cached = yield* Effect.result(verified)
          if (cached._tag === "Success") return cached.success
        }
        yield* replacePath(fs, path, (temporary) => download.fetch(url, temporary, { limit: item.size }))
        // An invalid package is not cached: the mirror may be repaired.
        return yield* Effect.tapError(verified, () => Effect.ignore(fs.remove(path, { force: true })))
      })

      const install = Effect.fn("Apk.install")(function*(
        distribution: Distribution,
        repository: Repository,
        options: ApkOptions,
        tree: string,
        report: Report
      ) {
        const { manager } = distribution
        const processor = manager._tag === "Apk" ? manager.architectures[architecture.debian] : undefined
        if (manager._tag !== "Apk" || processor === undefined) {
          return yield* buildError("Refused", { detail: `${distribution.name} has no packages for this processor` })
        }
        const keys = yield* readKeys(repository.keyring)
        const bases = manager.repositories.map((name) => `${repository.mirror}/${options.suite}/${name}`)
        const indexes = yield* Effect.forEach(bases, (base) => fetchIndex(`${base}/${processor}`, processor, keys))
        const wanted = [...new Set([...distribution.packages, ...options.include])]
        const packages = yield* Effect.fromResult(
          resolve(indexes.flat(), wanted.flatMap((name) => parseTerm(name) ?? []))
        )
        const total = packages.length + 2
        const state = unpacking()
        const scratch = yield* scratchDirectory(fs, yield* workspace.directory("cache"), "apk")
        const installed: Array<Installed> = []
        // The next packages are fetched while one is unpacked.
        const fetched = yield* Effect.forEach(packages, (item) => fetchPackage(item, keys), { concurrency: 4 })
        for (const verified of fetched) {
          const data = `${scratch}/${verified.package.name}.tar.gz`
          yield* fs.writeFile(data, verified.data).pipe(atPath(data))
          const members = yield* tarball.unpack(data, tree, { unpacking: state })
          yield* fs.remove(data).pipe(atPath(data))
          installed.push({ verified, members })
          yield* report(installed.length, total)
        }
        yield* writeDatabase(fs, tree, installed, { wanted, repositories: bases, architecture: processor }).pipe(
          Effect.provideContext(services)
        )
        const problems = yield* runScripts(fs, (args) => sandbox.inside(tree, args), tree, installed)
        for (const problem of problems) yield* progress.note(`note: ${problem}`)
        yield* report(total, total)
      }, Effect.scoped)

      return Apk.of({ install })
    })
  )
}
