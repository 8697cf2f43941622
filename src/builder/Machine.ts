import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type BuildError, buildError } from "./BuildError.ts"

/** One processor family under the names its users gave it. */
export interface Architecture {
  readonly debian: "amd64" | "arm64"
  readonly triplet: string
  /** As the Rust compiler names it. */
  readonly rust: string
  /** The loader of its C library. */
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

/** Under the names that Node has for them. */
const architectures: Readonly<Record<string, Architecture>> = { x64: amd64, arm64 }

/** What `--arch` may name. */
export const architectureNames = [amd64.debian, arm64.debian] as const

/** For which architecture, other than that of the machine, an image is built. */
export const Target = Context.Reference<Architecture | undefined>("flatimage/builder/Machine/Target", {
  defaultValue: () => undefined
})

/** What is known about the machine that builds. */
export class Machine extends Context.Service<Machine, {
  readonly architecture: Architecture
  /** That of the image: `Target`, or that of the machine. */
  readonly target: Effect.Effect<Architecture>
  /**
   * The value of `Target` for a name of `architectureNames`. Fails with `BuildError` for one for which this machine cannot
   * build.
   */
  readonly targetOf: (name: string | undefined) => Effect.Effect<Architecture | undefined, BuildError>
  readonly uid: number
  /** Whether files can be given to other owners. */
  readonly isRoot: boolean
}>()("flatimage/builder/Machine") {
  /** In: the name of the processor as Node has it, and the numeric user. Fails with `BuildError` for other processors. */
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
            // Debian has compilers for other pairs too, but this one is the only one that was tried.
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
