import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { NativeBytes } from "../../platform/NativeBytes.ts"
import { sha256 } from "../../platform/Sha256.ts"
import { atPath, type BuildError, buildError } from "../BuildError.ts"
import { sha256OfFile } from "../Digest.ts"
import type { Distribution } from "../dist/Distribution.ts"
import { installCommand } from "../dist/Distributions.ts"
import { Machine } from "../Machine.ts"
import { Epoch, Mkdwarfs } from "../Mkdwarfs.ts"
import { Programs } from "../Programs.ts"
import { Progress } from "../Progress.ts"
import { scratchDirectory } from "../Scratch.ts"
import { Workspace } from "../Workspace.ts"
import type { Step } from "./Definition.ts"
import { digestOfTree, pathBelow } from "./Inputs.ts"
import { type GuestCommand, Runner, type RunnerImage } from "./Runner.ts"

/** Increase it when a change of this module must invalidate cached layers. */
const revision = 2

/** The steps of a definition, and what they build on. */
export interface StepsRequest {
  readonly steps: ReadonlyArray<Step>
  /** The paths in the steps are relative to this directory. */
  readonly directory: string
  readonly distribution: Distribution | undefined
  /** Paths of the layers of the root tree, lowest first. */
  readonly base: ReadonlyArray<string>
  /** An image without layers in which commands run, and its program `fim`. Made only if there is a command to run. */
  readonly runner: Effect.Effect<RunnerImage, BuildError, Scope.Scope>
  readonly level: number
  /** Whether to make all layers again, although they are cached. */
  readonly refresh: boolean
}

/** A one-line description of a step. */
export const labelOf = (step: Step): string => {
  const text = "packages" in step
    ? `Packages ${step.packages.join(" ")}`
    : "copy" in step
    ? `Copy ${step.copy} to ${step.to}`
    : `Run ${typeof step.run === "string" ? step.run : step.run.join(" ")}`
  const line = text.replaceAll(/\s+/g, " ").trim()
  return line.length > 60 ? `${line.slice(0, 59)}…` : line
}

/** Makes a layer of each step of a definition. */
export class Steps extends Context.Service<Steps, {
  /**
   * The paths of the layers, lowest first, without the base. A layer is made only if the cache has none with the same base,
   * the same steps up to this one, and the same copied files. Fails with `BuildError`.
   */
  readonly make: (request: StepsRequest) => Effect.Effect<ReadonlyArray<string>, BuildError, Scope.Scope>
}>()("flatimage/builder/definition/Steps") {
  static readonly layer = Layer.effect(
    Steps,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const mkdwarfs = yield* Mkdwarfs
      const programs = yield* Programs
      const progress = yield* Progress
      const runner = yield* Runner
      const workspace = yield* Workspace
      const { isRoot, target } = yield* Machine

      /** An archive of the copied files under their new name, and their target directory. */
      const archiveOf = Effect.fnUntraced(function*(
        step: Extract<Step, { readonly copy: string }>,
        directory: string
      ) {
        const source = yield* pathBelow(fs, directory, step.copy)
        const parts = step.to.split("/").filter((part) => part !== "" && part !== ".")
        if (parts.includes("..")) return yield* buildError("Refused", { detail: `${step.to} has ".." in it` })
        if (step.to.endsWith("/")) parts.push(source.slice(source.lastIndexOf("/") + 1))
        const name = parts.at(-1)
        if (name === undefined) {
          return yield* buildError("Refused", { detail: `${step.to} cannot be the path of a file` })
        }
        const scratch = yield* scratchDirectory(fs, yield* workspace.directory("cache"), "copy")
        yield* programs.run("cp", [
          "--recursive",
          "--no-dereference",
          "--preserve=mode,timestamps,links",
          "--no-target-directory",
          "--",
          source,
          `${scratch}/${name}`
        ])
        if (step.mode !== undefined) {
          const info = yield* fs.lstat(`${scratch}/${name}`).pipe(atPath(source))
          if (info.type !== "File") {
            return yield* buildError("Refused", { detail: `${step.copy} is not a file: "mode" is for files` })
          }
          yield* fs.chmod(`${scratch}/${name}`, parseInt(step.mode, 8)).pipe(atPath(source))
        }
        const archive = `${scratch}/.archive.tar`
        yield* programs.run("tar", [
          "--create",
          "--sort=name",
          "--owner=0",
          "--group=0",
          "--numeric-owner",
          `--file=${archive}`,
          `--directory=${scratch}`,
          "--",
          name
        ])
        return { archive, parent: `/${parts.slice(0, -1).join("/")}` }
      })

      const commandOf = Effect.fnUntraced(function*(step: Step, { directory, distribution }: StepsRequest) {
        const epoch = yield* Epoch
        const reproducible = epoch === undefined ? {} : { SOURCE_DATE_EPOCH: String(epoch) }
        if ("run" in step) {
          const command: GuestCommand = {
            args: typeof step.run === "string" ? ["sh", "-euc", step.run] : step.run,
            network: step.network ?? false,
            environment: { ...reproducible, ...step.environment }
          }
          return command
        }
        if ("copy" in step) {
          const { archive, parent } = yield* archiveOf(step, directory)
          // Uses the image's own tools, because the root tree may have none. Runs in the guest, because target directories
          // may be links.
          const script = "busybox mkdir -p \"$1\" && exec busybox tar -x -f - -C \"$1\""
          const command: GuestCommand = {
            args: ["busybox", "sh", "-c", script, "sh", parent],
            network: false,
            environment: {},
            input: archive
          }
          return command
        }
        const args = distribution === undefined ? undefined : installCommand(distribution, step.packages)
        if (distribution === undefined || args === undefined) {
          return yield* buildError("Refused", {
            detail: distribution === undefined
              ? "packages need a distribution: name it as \"dist\" of the base"
              : `${distribution.name} has no package manager`
          })
        }
        const strange = step.packages.find((name) => !distribution.packageName.test(name))
        if (strange !== undefined) {
          return yield* buildError("Refused", { detail: `${JSON.stringify(strange)} is not the name of a package` })
        }
        const command: GuestCommand = {
          args,
          network: true,
          environment: reproducible
        }
        return command
      })

      const make = Effect.fn("Steps.make")(function*(request: StepsRequest) {
        // Its cost belongs to all steps, not to the first one that needs it.
        const { debian } = yield* target
        const image = yield* Effect.cached(Scope.provide(request.runner, yield* Effect.scope))
        const layers = [...request.base]
        const digests = yield* Effect.forEach(layers, (layer) => sha256OfFile(fs, native, layer))
        let key = digests.length === 1 && digests[0] !== undefined ? digests[0] : sha256(native, digests.join("\n"))
        let fresh = request.refresh
        for (const [index, step] of request.steps.entries()) {
          const input = "copy" in step
            ? yield* Effect.flatMap(
              pathBelow(fs, request.directory, step.copy),
              (path) => digestOfTree(fs, native, path)
            )
            : "packages" in step
            ? request.distribution?.install
            : undefined
          key = sha256(native, JSON.stringify([revision, key, debian, isRoot, step, input]))
          const { path, present } = yield* mkdwarfs.cached(`step-${key.slice(0, 24)}`, request.level)
          const label = `[${index + 1}/${request.steps.length}] ${labelOf(step)}`
          if (present && !fresh) {
            yield* progress.note(`${label}: cached`)
          } else {
            // A layer that was made before on top of another layer with this name is outdated too.
            fresh = true
            yield* progress.step(label, (report) =>
              Effect.gen(function*() {
                const command = yield* commandOf(step, request)
                yield* runner.commit(
                  {
                    ...(yield* image),
                    layers: [...layers],
                    command,
                    level: request.level,
                    keepCaches: !("copy" in step) && (step.keepCaches ?? false)
                  },
                  path,
                  report
                )
              }).pipe(Effect.scoped))
          }
          layers.push(path)
        }
        return layers.slice(request.base.length)
      })

      return Steps.of({ make })
    })
  )
}
