import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import { openCommit } from "../../cli/layer/CommitSession.ts"
import { describeLeftOut, packageCaches } from "../../cli/layer/PackageCaches.ts"
import * as ReadList from "../../mount/ReadList.ts"
import { atPath, type BuildError, buildError } from "../BuildError.ts"
import { Emulator } from "../cross/Emulator.ts"
import { Machine } from "../Machine.ts"
import { Mkdwarfs } from "../Mkdwarfs.ts"
import { Programs, type RunOptions } from "../Programs.ts"
import { Progress, type Report } from "../Progress.ts"
import { scratchDirectory } from "../Scratch.ts"
import { Workspace } from "../Workspace.ts"

/** A command of a step. */
export interface GuestCommand {
  readonly args: ReadonlyArray<string>
  readonly network: boolean
  /** Added to the environment of the guest. */
  readonly environment: Readonly<Record<string, string>>
  /** Path of a file that becomes its standard input. */
  readonly input?: string
}

/** An image without layers in which commands run. */
export interface RunnerImage {
  /** Its path. A run changes the file. */
  readonly image: string
  /** Path of a program `fim` for this machine. */
  readonly fim: string
}

/** A command, the image it runs in, and the layers below. */
export interface GuestRequest extends RunnerImage {
  /** Paths of the layers so far, lowest first. */
  readonly layers: ReadonlyArray<string>
  readonly command: GuestCommand
  readonly level: number
  /** Whether the layer contains the caches of package managers. */
  readonly keepCaches: boolean
}

/** Variables that the caller's environment must not set for these runs. */
const noSettings = {
  FIM_CASEFOLD: "",
  FIM_MAIN_OFFSET: "",
  // The only overlay whose deletions a commit reads from the file system itself, whoever mounts it.
  FIM_OVERLAY: "bwrap",
  // The result of a step must not depend on the user who builds.
  LC_ALL: "C",
  LANG: undefined,
  LANGUAGE: undefined,
  TZ: undefined
}

/** Runs commands in an image, and makes layers of their changes. */
export class Runner extends Context.Service<Runner, {
  /**
   * Runs the command as root of the guest, on the layers, and packs its changes to the file `path`. If the command fails,
   * fails with a `BuildError` that contains the end of its output.
   */
  readonly commit: (
    request: GuestRequest,
    path: string,
    report: Report
  ) => Effect.Effect<void, BuildError, Scope.Scope>
  /**
   * Runs a command by the guest's `sh`, without permissions, and returns the list of what it read of the layers, see `ReadList.ts`.
   */
  readonly reads: (
    request: RunnerImage & { readonly layers: ReadonlyArray<string>; readonly command: string }
  ) => Effect.Effect<Uint8Array, BuildError, Scope.Scope>
}>()("flatimage/builder/definition/Runner") {
  static readonly layer = Layer.effect(
    Runner,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const emulator = yield* Emulator
      const mkdwarfs = yield* Mkdwarfs
      const programs = yield* Programs
      const progress = yield* Progress
      const spawner = yield* ChildProcessSpawner
      const workspace = yield* Workspace
      const { isRoot } = yield* Machine

      /** Prepares runs of an image on layers, with a new data directory. */
      const prepare = Effect.fnUntraced(function*(image: string, layers: ReadonlyArray<string>) {
        const separated = layers.find((layer) => layer.includes(":"))
        if (separated !== undefined) {
          return yield* buildError("Refused", { detail: `the build directory has a colon in its name: ${separated}` })
        }
        const data = yield* scratchDirectory(fs, yield* workspace.directory("cache"), "run")
        const env = { ...noSettings, FIM_DIR_DATA: data, FIM_LAYERS: layers.join(":") }
        const emulation = yield* emulator.emulation("steps")
        const [program = image, ...before] = [...emulation.prefix, image]
        const run = (args: ReadonlyArray<string>, options: RunOptions = {}) =>
          programs.run(program, [...before, ...args], { ...options, env: { ...env, ...options.env } })
        return { data, run }
      })

      const reads = Effect.fn("Runner.reads")(
        function*({ command, image, layers }: Parameters<typeof Runner.Service["reads"]>[0]) {
          const { data, run } = yield* prepare(image, layers)
          const list = `${data}/reads`
          yield* run(["fim-perms", "clear"])
          // All that is read has to be read through a driver of this run alone.
          const env = { FIM_LINGER: "0", FIM_HOT: "0", [ReadList.readList]: list }
          yield* run(["fim-exec", "sh", "-c", "eval \"$1\" >&2", "sh", command], { env })
          return yield* fs.readFile(list).pipe(
            Effect.mapError(() =>
              buildError("Refused", {
                detail: "what a program reads cannot be listed on this machine: layers cannot be mounted. " +
                  "Leave out --order-by-run"
              })
            )
          )
        }
      )

      const commit = Effect.fn("Runner.commit")(function*(request: GuestRequest, path: string, report: Report) {
        const { command, image, layers } = request
        const { data, run } = yield* prepare(image, layers)
        yield* run(["fim-perms", ...(command.network ? ["set", "network"] : ["clear"])])
        // Standard error goes to the builder, and its last lines explain a failure.
        const variables = Object.entries(command.environment).map(([name, value]) => `${name}=${value}`)
        const all = ["bash", "-c", "exec \"$@\" >&2", "bash", "env", ...variables, ...command.args]
        yield* run(["fim-root", ...all], command.input === undefined ? {} : { input: command.input }).pipe(
          Effect.mapError((error) =>
            error.reason._tag === "ProgramFailed"
              ? buildError("ProgramFailed", { ...error.reason, command: command.args.join(" ").slice(0, 200) })
              : error
          )
        )
        const places = yield* Effect.forEach(layers, (layer) =>
          fs.stat(layer).pipe(
            Effect.map(({ size }) => ({ path: layer, offset: 0, size: Number(size) })),
            atPath(layer)
          ))
        const session = yield* openCommit(data, request.fim).pipe(
          Effect.provideService(ChildProcessSpawner, spawner),
          Effect.mapError((error) => buildError("Refused", { detail: error.text }, error))
        )
        const { leftOut } = yield* session.stage({
          layers: places,
          below: places.length,
          overlay: "bwrap",
          without: request.keepCaches ? [] : packageCaches
        }).pipe(
          Effect.mapError((error) => buildError("Refused", { detail: error.text }, error))
        )
        yield* Effect.forEach(leftOut, (one) => progress.note(describeLeftOut(one)), { discard: true })
        const { tree, whiteout } = session
        yield* mkdwarfs.pack(tree, path, { level: request.level, ownedByRoot: !isRoot, whiteout }, report)
      })

      return Runner.of({ commit, reads })
    })
  )
}
