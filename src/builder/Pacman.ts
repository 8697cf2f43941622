import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import type { Distribution } from "./dist/Distribution.ts"
import { Machine } from "./Machine.ts"
import { directoryInTree, writeInTree } from "./PackageTree.ts"
import { Programs } from "./Programs.ts"
import type { Report } from "./Progress.ts"
import type { Repository } from "./Repositories.ts"
import { scratchDirectory } from "./Scratch.ts"
import { TreeSandbox } from "./TreeSandbox.ts"
import { Workspace } from "./Workspace.ts"

/**
 * The settings of pacman for one tree, independent of the machine's. Packages must be signed; databases only if the mirror
 * signs them. All keys of the keyring are trusted, because that is the purpose of the keyring.
 */
export const pacmanConfiguration = (options: {
  readonly repositories: ReadonlyArray<string>
  readonly processor: string
  readonly mirror: string
  readonly home: string
  readonly cache: string
  readonly tree: string
}): string =>
  [
    "[options]",
    `RootDir = ${options.tree}`,
    `DBPath = ${options.tree}/var/lib/pacman/`,
    `CacheDir = ${options.cache}/`,
    `LogFile = ${options.home}/pacman.log`,
    `GPGDir = ${options.home}/gnupg/`,
    `HookDir = ${options.tree}/etc/pacman.d/hooks/`,
    `Architecture = ${options.processor}`,
    "SigLevel = PackageRequired PackageTrustAll DatabaseOptional DatabaseTrustAll",
    "LocalFileSigLevel = Required",
    // It would check the free space of a file system that it cannot see.
    "#CheckSpace",
    "ParallelDownloads = 4",
    ...options.repositories.flatMap((name) => [
      `[${name}]`,
      `Server = ${options.mirror}/${name}/os/${options.processor}`
    ]),
    ""
  ].join("\n")

const remedy = "run \"apt-get install pacman-package-manager gnupg\" as root"

/** Makes trees from packages of pacman, with the machine's pacman. */
export class Pacman extends Context.Service<Pacman, {
  /** Makes the tree in an empty directory. Fails with `BuildError`. */
  readonly install: (
    distribution: Distribution,
    repository: Repository,
    include: ReadonlyArray<string>,
    tree: string,
    report: Report
  ) => Effect.Effect<void, BuildError>
}>()("flatimage/builder/Pacman") {
  static readonly layer = Layer.effect(
    Pacman,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      const sandbox = yield* TreeSandbox
      const workspace = yield* Workspace
      const { architecture } = yield* Machine

      /** A home directory of gpg with the keys of a keyring, without the keys that the file beside it revokes. */
      const importKeys = Effect.fnUntraced(function*(keyring: string, gnupg: string) {
        yield* fs.makeDirectory(gnupg, { mode: 0o700 }).pipe(atPath(gnupg))
        // By default pacman fetches unknown keys, and would trust them.
        const settings = "disable-dirmngr\nno-auto-key-retrieve\nno-auto-key-locate\n"
        yield* fs.writeFileString(`${gnupg}/gpg.conf`, settings).pipe(atPath(gnupg))
        const gpg = ["--homedir", gnupg, "--batch", "--quiet", "--no-autostart", "--no-auto-check-trustdb"]
        yield* programs.run("gpg", [...gpg, "--import", "--", keyring], { remedy })
        const revoked = keyring.replace(/(\.gpg)?$/, "-revoked")
        if (yield* fs.exists(revoked).pipe(atPath(revoked))) {
          const list = yield* fs.readFileString(revoked).pipe(atPath(revoked))
          const keys = list.split("\n").map((line) => line.trim()).filter((line) => /^[0-9A-F]{40}$/i.test(line))
          const known = yield* programs.run("gpg", [...gpg, "--with-colons", "--list-keys"], { remedy })
          const there = keys.filter((key) => known.includes(`:${key.toUpperCase()}:`))
          if (there.length > 0) yield* programs.run("gpg", [...gpg, "--yes", "--delete-keys", ...there], { remedy })
        }
      })

      const install = Effect.fn("Pacman.install")(function*(
        distribution: Distribution,
        repository: Repository,
        include: ReadonlyArray<string>,
        tree: string,
        report: Report
      ) {
        const { manager } = distribution
        const processor = manager._tag === "Pacman" ? manager.architectures[architecture.debian] : undefined
        if (manager._tag !== "Pacman" || processor === undefined) {
          return yield* buildError("Refused", { detail: `${distribution.name} has no packages for this processor` })
        }
        const home = yield* scratchDirectory(fs, yield* workspace.directory("cache"), "pacman")
        const cache = yield* workspace.directory("cache", "pacman")
        yield* importKeys(repository.keyring, `${home}/gnupg`)
        const configuration = `${home}/pacman.conf`
        const { mirror } = repository
        yield* fs.writeFileString(
          configuration,
          pacmanConfiguration({ repositories: manager.repositories, processor, mirror, home, cache, tree })
        ).pipe(atPath(configuration))
        for (const path of ["var/lib/pacman/sync", "proc", "dev", "run", "tmp"]) yield* directoryInTree(fs, tree, path)
        const wanted = [...new Set([...distribution.packages, ...include])]
        const pacman = (network: boolean, args: ReadonlyArray<string>, from: number) => {
          let seen = 0
          return sandbox.beside(tree, [
            "pacman",
            "--config",
            configuration,
            "--noconfirm",
            "--noprogressbar",
            ...args,
            "--",
            ...wanted
          ], {
            network,
            writable: [cache, home],
            remedy,
            onLine: () => report(from + (++seen) / (seen + 40), 2)
          })
        }
        // Scripts of packages run without the network.
        yield* pacman(true, ["-Syw"], 0)
        yield* pacman(false, ["-S"], 1)
        yield* writeInTree(fs, tree, [
          "etc/pacman.d/mirrorlist",
          `Server = ${mirror}/$repo/os/$arch\n`,
          0o644
        ])
      }, Effect.scoped)

      return Pacman.of({ install })
    })
  )
}
