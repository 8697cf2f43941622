import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { sha256 } from "../image/Sha256.ts"
import { Apt, sourceLines } from "./Apt.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { dpkgSettings, debianRevision } from "./dist/Debian.ts"
import { Machine } from "./Machine.ts"
import { Mirror } from "./Mirror.ts"
import { Programs } from "./Programs.ts"
import type { Report } from "./Progress.ts"
import { replacePath } from "./Replace.ts"
import { Workspace } from "./Workspace.ts"

export interface DebianOptions {
  readonly suite: string
  /** Packages on top of the smallest system. */
  readonly include: ReadonlyArray<string>
  /** Whether to make the tree anew although it is cached. */
  readonly refresh: boolean
}

// What mmdebstrap says as it goes, in order: the only progress it tells.
const milestones = [
  "running apt-get update",
  "downloading packages with apt",
  "extracting archives",
  "installing essential packages",
  "installing remaining packages",
  "cleaning package lists",
  "creating tarball"
]

/** Says what to do where mmdebstrap and apt only say what happened. */
const explain = (error: BuildError, suite: string, isRoot: boolean): BuildError => {
  if (error.reason._tag !== "ProgramFailed") return error
  const { output } = error.reason
  const unknown = /Unable to locate package ([^\s;]+)/.exec(output)?.[1]
  if (unknown !== undefined) return buildError("Refused", { detail: `Debian ${suite} has no package ${unknown}` })
  // A tree has files of many users: without root they need numbers of their own.
  return isRoot || !/subuid|subgid|newuidmap|newgidmap|unshare/.test(output) ? error : buildError("Refused", {
    detail: "this user cannot make a tree of Debian: build as root, or have root run \"apt-get install uidmap\" and " +
      `"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER" (${output})`
  })
}

/** Makes Debian trees from Debian's packages. */
export class Mmdebstrap extends Context.Service<Mmdebstrap, {
  /** Names the tree that these options give. */
  readonly key: (options: DebianOptions) => string
  /** The tree as a tar archive in the cache. Fails with `BuildError`. */
  readonly tree: (options: DebianOptions, report: Report) => Effect.Effect<string, BuildError>
}>()("flatimage/build/Mmdebstrap") {
  static readonly layer = Layer.effect(
    Mmdebstrap,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const apt = yield* Apt
      const mirror = yield* Mirror
      const programs = yield* Programs
      const workspace = yield* Workspace
      const { architecture, isRoot } = yield* Machine

      const key = (options: DebianOptions) =>
        `debian-${options.suite}-${
          sha256(JSON.stringify([
            debianRevision,
            dpkgSettings,
            architecture.debian,
            options.include.toSorted()
          ])).slice(0, 12)
        }`

      const tree = Effect.fn("Mmdebstrap.tree")(function*(options: DebianOptions, report: Report) {
        const path = `${yield* workspace.directory("cache", "roots")}/${key(options)}.tar`
        if (!options.refresh && (yield* fs.exists(path).pipe(atPath(path)))) return path
        const sources = yield* mirror.sources
        const transport = yield* apt.transport
        yield* replacePath(fs, path, (temporary) =>
          programs.run("mmdebstrap", [
            // Otherwise it tries ways that leave files with wrong owners behind.
            `--mode=${isRoot ? "root" : "unshare"}`,
            "--variant=minbase",
            `--architectures=${architecture.debian}`,
            `--keyring=${sources.keyring}`,
            "--format=tar",
            // The sandbox has devices of its own.
            "--skip=output/dev",
            ...dpkgSettings.map((setting) => `--dpkgopt=${setting}`),
            ...transport.map((setting) => `--aptopt=${setting}`),
            ...(options.include.length === 0 ? [] : [`--include=${options.include.join(",")}`]),
            options.suite,
            temporary,
            ...sourceLines(sources, options.suite, false)
          ], {
            remedy: "run \"apt-get install mmdebstrap\" as root",
            onLine: (line) => {
              const reached = milestones.findIndex((milestone) => line.includes(milestone))
              return reached < 0 ? Effect.void : report(reached + 1, milestones.length + 1)
            }
          }).pipe(Effect.mapError((error) => explain(error, options.suite, isRoot))))
        return path
      })

      return Mmdebstrap.of({ key, tree })
    })
  )
}
