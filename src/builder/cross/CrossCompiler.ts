import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { Bubblewrap, type Compiled } from "../Bubblewrap.ts"
import type { BuildError } from "../BuildError.ts"
import { type Architecture, Machine, Target } from "../Machine.ts"
import { Programs } from "../Programs.ts"
import { cargoRemedy, type NativePrograms, placePrograms } from "../Runtime.ts"
import { Workspace } from "../Workspace.ts"
import { crossGcc, CrossToolchain } from "./CrossToolchain.ts"

/** Compiles our own programs and bubblewrap for another architecture. */
export class CrossCompiler extends Context.Service<CrossCompiler, {
  /** The native programs for an architecture. Fails with `BuildError`. */
  readonly native: (target: Architecture) => Effect.Effect<NativePrograms, BuildError>
  /**
   * bubblewrap for the architecture of the image; the machine's own program if that is the same. Fails with `BuildError`.
   */
  readonly bubblewrap: Effect.Effect<Compiled, BuildError>
}>()("flatimage/builder/cross/CrossCompiler") {
  static readonly layer = Layer.effect(
    CrossCompiler,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { compiledBy, program } = yield* Bubblewrap
      const programs = yield* Programs
      const toolchain = yield* CrossToolchain
      const workspace = yield* Workspace
      const { architecture } = yield* Machine
      const home = yield* Config.String("HOME").pipe(Config.withDefault("/root"))
      const cargoHome = yield* Config.String("CARGO_HOME").pipe(Config.withDefault(`${home}/.cargo`))
      /** The profile of `src/native/Cargo.toml`; tests choose one that compiles quickly. */
      const profile = yield* Config.String("FIM_CROSS_PROFILE").pipe(Config.withDefault("release"))

      /** Directories above the project with cargo settings. A replaced registry must be the same for both cargos. */
      const settings = Effect.filter(
        workspace.root.split("/").slice(1, -1).map((_, index, names) =>
          ["", ...names.slice(0, index + 1), ".cargo"].join("/")
        ),
        (path) => fs.exists(path).pipe(Effect.orElseSucceed(() => false))
      )

      const native = Effect.fn("CrossCompiler.native")(function*(target: Architecture) {
        const sources = `${workspace.root}/src/native`
        // Uses the machine's own cargo, which knows how to reach the registry. The sandbox has no network.
        yield* programs.run(
          "cargo",
          ["fetch", "--locked", ...[architecture, target].flatMap(({ rust }) => ["--target", rust])],
          { cwd: sources, remedy: cargoRemedy }
        )
        const directory = yield* workspace.directory(`cargo-${target.debian}`)
        const output = yield* toolchain.run(
          target,
          [
            "cargo",
            "build",
            `--profile=${profile}`,
            "--locked",
            "--offline",
            `--target=${target.rust}`,
            "--message-format=json-render-diagnostics"
          ],
          {
            readable: [...(yield* settings), workspace.root, cargoHome],
            writable: [directory],
            environment: {
              CARGO_HOME: cargoHome,
              CARGO_TARGET_DIR: directory
            },
            directory: sources
          }
        )
        return yield* placePrograms(fs, output, yield* workspace.directory(`native-${target.debian}`))
      })

      const bubblewrap = Effect.gen(function*() {
        const target = yield* Target
        if (target === undefined) return yield* program
        return yield* compiledBy({
          architecture: target,
          root: yield* toolchain.tree(target),
          run: (args, place) =>
            toolchain.run(target, [crossGcc(target), ...args], {
              readable: [],
              writable: place === undefined ? [] : [place],
              environment: {},
              directory: place ?? "/"
            })
        })
      })

      return CrossCompiler.of({ native, bubblewrap })
    })
  )
}
