import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { BuildError } from "../BuildError.ts"
import { type Architecture, Machine } from "../Machine.ts"
import { suites } from "../Toolbox.ts"
import { type Toolset, TreeSandbox } from "../TreeSandbox.ts"
import { type Collection, CrossPackages } from "./CrossPackages.ts"

const standardLibrary = "libstd-rust-web-dev"

/**
 * Compiler, linker and libraries for an architecture. Debian's `-web` packages are the Rust that builds its browsers:
 * recent in each suite, and with a standard library for each architecture. The machine's own Rust may be of any version and
 * source, and has no standard library for another architecture.
 */
const toolchain = ({ debian, triplet }: Architecture): Collection => ({
  name: `toolchain-${debian}`,
  label: `Compilers for ${debian}`,
  suite: suites[0]?.suite ?? "",
  packages: [
    "rustc-web",
    "cargo-web",
    `${standardLibrary}:${debian}`,
    // For programs of the build itself, such as build scripts.
    "gcc",
    "libc6-dev",
    `gcc-${triplet}`,
    `libc6-dev-${debian}-cross`
  ],
  // The other packages for that architecture only have shared libraries, and our programs are static.
  wanted: (name, architecture) => architecture !== debian || name === standardLibrary
})

/** The toolchain's C compiler for an architecture. It finds its own headers and the static C library. */
export const crossGcc = ({ triplet }: Architecture): string => `${triplet}-gcc`

/** The variables that select the compilers for cargo and for build scripts with C code. */
export const compilerVariables = (machine: Architecture, target: Architecture): Readonly<Record<string, string>> => {
  // The short names, such as `cc`, are links that only an installation creates.
  const compilers = [[machine, "gcc", "ar"], [target, crossGcc(target), `${target.triplet}-ar`]] as const
  return Object.fromEntries(
    compilers.flatMap(([{ rust }, gcc, ar]) => {
      const name = rust.replaceAll("-", "_")
      return [
        [`CARGO_TARGET_${name.toUpperCase()}_LINKER`, gcc],
        [`CC_${name}`, gcc],
        [`AR_${name}`, ar]
      ]
    })
  )
}

/** Runs compilers for another architecture, for our own programs and for C programs. */
export class CrossToolchain extends Context.Service<CrossToolchain, {
  /**
   * The directory whose `usr` contains the toolchain for an architecture. Fetched if it is not cached. Fails with
   * `BuildError`.
   */
  readonly tree: (target: Architecture) => Effect.Effect<string, BuildError>
  /**
   * Runs a program of the toolchain in a sandbox and returns its standard output. Fails with `BuildError` unless the exit
   * code is 0.
   */
  readonly run: (
    target: Architecture,
    args: ReadonlyArray<string>,
    toolset: Toolset
  ) => Effect.Effect<string, BuildError>
}>()("flatimage/builder/cross/CrossToolchain") {
  static readonly layer = Layer.effect(
    CrossToolchain,
    Effect.gen(function*() {
      const packages = yield* CrossPackages
      const sandbox = yield* TreeSandbox
      const { architecture } = yield* Machine

      const tree = (target: Architecture) => packages.tree(toolchain(target))

      const run = Effect.fn("CrossToolchain.run")(function*(
        target: Architecture,
        args: ReadonlyArray<string>,
        toolset: Toolset
      ) {
        return yield* sandbox.using(`${yield* tree(target)}/usr`, args, {
          ...toolset,
          environment: {
            PATH: "/usr/bin",
            HOME: "/tmp",
            LC_ALL: "C.UTF-8",
            ...compilerVariables(architecture, target),
            ...toolset.environment
          }
        })
      })

      return CrossToolchain.of({ tree, run })
    })
  )
}
