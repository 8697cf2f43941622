import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type BuildError, buildError } from "./BuildError.ts"

/** A processor family under the names that other programs use. */
export interface Architecture {
  readonly debian: "amd64" | "arm64"
  readonly triplet: string
  /** The name of the Rust compiler. */
  readonly rust: string
  /** File name of the C library's loader. */
  readonly loader: string
  /** `e_machine` of its ELF files. */
  readonly elf: number
}

const amd64: Architecture = {
  debian: "amd64",
  triplet: "x86_64-linux-gnu",
  rust: "x86_64-unknown-linux-gnu",
  loader: "ld-linux-x86-64.so.2",
  elf: 62
}

const arm64: Architecture = {
  debian: "arm64",
  triplet: "aarch64-linux-gnu",
  rust: "aarch64-unknown-linux-gnu",
  loader: "ld-linux-aarch64.so.1",
  elf: 183
}

/** By Node's names. */
const architectures: Readonly<Record<string, Architecture>> = { x64: amd64, arm64 }

/** The valid values of `--arch`. */
export const architectureNames = [amd64.debian, arm64.debian] as const

/** The architecture of the image, if it is not that of this machine. */
export const Target = Context.Reference<Architecture | undefined>("flatimage/builder/Machine/Target", {
  defaultValue: () => undefined
})

/** The machine that builds. */
export class Machine extends Context.Service<Machine, {
  readonly architecture: Architecture
  /** The architecture of the image: `Target`, or that of this machine. */
  readonly target: Effect.Effect<Architecture>
  /**
   * The value of `Target` for a name of `architectureNames`.
   *
   * @returns `undefined` for this machine's own; fails with `BuildError` if this machine cannot build for it
   */
  readonly targetOf: (name: string | undefined) => Effect.Effect<Architecture | undefined, BuildError>
  readonly uid: number
  /** Whether files can be given to other owners. */
  readonly isRoot: boolean
}>()("flatimage/builder/Machine") {
  /**
   * Fails with `BuildError` for other processors.
   *
   * @param options `arch`: Node's name of the processor; `uid`: the numeric user id
   */
  static readonly layer = (options: { readonly arch: string; readonly uid: number }) =>
    Layer.effect(
      Machine,
      Effect.gen(function*() {
        const architecture = architectures[options.arch]
        if (architecture === undefined) {
          return yield* buildError("Refused", { detail: `images cannot be made on the processor ${options.arch}` })
        }
        return Machine.of({
          architecture,
          target: Effect.map(Target, (target) => target ?? architecture),
          targetOf: (name) => {
            if (name === undefined || name === architecture.debian) return Effect.succeed(undefined)
            // Debian has compilers for other pairs too, but only this one was tested.
            return architecture === amd64 && name === arm64.debian
              ? Effect.succeed(arm64)
              : Effect.fail(
                buildError("Refused", { detail: `images for ${name} cannot be made on ${architecture.debian}` })
              )
          },
          uid: options.uid,
          isRoot: options.uid === 0
        })
      })
    )
}
