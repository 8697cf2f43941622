import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"
import { Apt, sourceLines } from "./Apt.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { Emulator } from "./cross/Emulator.ts"
import type { Distribution } from "./dist/Distribution.ts"
import { Machine } from "./Machine.ts"
import type { Sources } from "./Mirror.ts"
import { Epoch } from "./Mkdwarfs.ts"
import { Programs } from "./Programs.ts"
import type { Report } from "./Progress.ts"
import { replacePath } from "./Replace.ts"
import { type Origin, Repositories, type Repository } from "./Repositories.ts"
import { Workspace } from "./Workspace.ts"

/** The requested tree of a distribution. */
export interface TreeOptions extends Origin {
  /** Release of the distribution; empty if there are none to choose from. */
  readonly suite: string
  /** Packages in addition to the smallest system. */
  readonly include: ReadonlyArray<string>
  /** Whether to make the tree again although it is cached. */
  readonly refresh: boolean
}

// mmdebstrap's messages in order, the only progress that it reports.
const milestones = [
  "running apt-get update",
  "downloading packages with apt",
  "extracting archives",
  "installing essential packages",
  "installing remaining packages",
  "cleaning package lists",
  "creating tarball"
]

const sourcesOf = ({ keyring, mirror, security }: Repository): Sources => ({
  keyring,
  mirrors: { "debian": mirror, "debian-security": security }
})

/** Adds a solution to errors of mmdebstrap and apt, which only describe the failure. */
const explain = (error: BuildError, { name, title }: Distribution, suite: string, isRoot: boolean): BuildError => {
  if (error.reason._tag !== "ProgramFailed") return error
  const { output } = error.reason
  const unknown = /Unable to locate package ([^\s;]+)/.exec(output)?.[1]
  if (unknown !== undefined) return buildError("Refused", { detail: `${name} ${suite} has no package ${unknown}` })
  if (/NO_PUBKEY|EXPKEYSIG|BADSIG|REVKEYSIG|is not signed|signature/i.test(output)) {
    return buildError("Untrusted", { path: `the mirror of ${title}`, detail: output })
  }
  // A tree has files of many users: without root they need subordinate ids.
  return isRoot || !/subuid|subgid|newuidmap|newgidmap|unshare/.test(output) ? error : buildError("Refused", {
    detail: `this user cannot make a tree of ${title}: build as root, or have root run "apt-get install uidmap" and ` +
      `"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER" (${output})`
  })
}

const settingsOf = ({ manager }: Distribution) => manager._tag === "Apt" ? manager.dpkgSettings : []

/** Makes trees of distributions that use dpkg and apt. */
export class Mmdebstrap extends Context.Service<Mmdebstrap, {
  /** The cache key of the tree with these options. */
  readonly key: (distribution: Distribution, options: TreeOptions) => Effect.Effect<string>
  /** The tree as a tar archive in the cache. Fails with `BuildError`. */
  readonly tree: (
    distribution: Distribution,
    options: TreeOptions,
    report: Report
  ) => Effect.Effect<string, BuildError>
}>()("flatimage/builder/Mmdebstrap") {
  static readonly layer = Layer.effect(
    Mmdebstrap,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const apt = yield* Apt
      const repositories = yield* Repositories
      const programs = yield* Programs
      const workspace = yield* Workspace
      const emulator = yield* Emulator
      const { isRoot, target } = yield* Machine

      const key = Effect.fnUntraced(function*(
        distribution: Distribution,
        { include, keyring, mirror, suite }: TreeOptions
      ) {
        const { debian } = yield* target
        return `${distribution.name}-${suite}-${
          sha256(
            native,
            JSON.stringify([
              distribution.revision,
              settingsOf(distribution),
              debian,
              include.toSorted(),
              ...(mirror === undefined && keyring === undefined ? [] : [mirror ?? "", keyring ?? ""])
            ])
          ).slice(0, 12)
        }`
      })

      const tree = Effect.fn("Mmdebstrap.tree")(function*(
        distribution: Distribution,
        options: TreeOptions,
        report: Report
      ) {
        const { manager } = distribution
        if (manager._tag !== "Apt") {
          return yield* buildError("Refused", { detail: `${distribution.name} has no packages of dpkg` })
        }
        const epoch = yield* Epoch
        const name = `${yield* key(distribution, options)}${epoch === undefined ? "" : `-${epoch}`}`
        const path = `${yield* workspace.directory("cache", "roots")}/${name}.tar`
        if (!options.refresh && (yield* fs.exists(path).pipe(atPath(path)))) return path
        const repository = yield* repositories.find(distribution, options)
        const transport = yield* apt.transport
        const include = [...distribution.packages, ...options.include]
        const { debian } = yield* target
        const { ownUsers, prefix } = yield* emulator.emulation("tree")
        const [program = "mmdebstrap", ...before] = [...prefix, "mmdebstrap"]
        yield* replacePath(fs, path, (temporary) =>
          programs.run(program, [
            ...before,
            // Otherwise it tries modes that leave files with wrong owners behind. Root of a user namespace cannot make
            // devices, which this mode does not need.
            `--mode=${isRoot && !ownUsers ? "root" : "unshare"}`,
            // The check would read only the rules of the machine.
            ...(ownUsers ? ["--skip=check/qemu"] : []),
            "--variant=minbase",
            `--architectures=${debian}`,
            `--keyring=${repository.keyring}`,
            "--format=tar",
            // The sandbox has its own devices.
            "--skip=output/dev",
            ...manager.dpkgSettings.map((setting) => `--dpkgopt=${setting}`),
            ...transport.map((setting) => `--aptopt=${setting}`),
            ...(include.length === 0 ? [] : [`--include=${include.join(",")}`]),
            options.suite,
            temporary,
            ...sourceLines(sourcesOf(repository), options.suite, false, manager.components)
          ], {
            ...(epoch === undefined ? {} : { env: { SOURCE_DATE_EPOCH: String(epoch) } }),
            remedy: "run \"apt-get install mmdebstrap\" as root",
            onLine: (line) => {
              const reached = milestones.findIndex((milestone) => line.includes(milestone))
              return reached < 0 ? Effect.void : report(reached + 1, milestones.length + 1)
            }
          }).pipe(Effect.mapError((error) => explain(error, distribution, options.suite, isRoot))))
        return path
      })

      return Mmdebstrap.of({ key, tree })
    })
  )
}
