import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { buildError } from "./BuildError.ts"

/** One processor family under the names its users gave it. */
export interface Architecture {
  readonly debian: "amd64" | "arm64"
  readonly triplet: string
  /** `e_machine` of its ELF files. */
  readonly elf: number
}

const architectures: Readonly<Record<string, Architecture>> = {
  x64: { debian: "amd64", triplet: "x86_64-linux-gnu", elf: 62 },
  arm64: { debian: "arm64", triplet: "aarch64-linux-gnu", elf: 183 }
}

/** What is known about the machine that builds. */
export class Machine extends Context.Service<Machine, {
  readonly architecture: Architecture
  /** Whether files can be given to other owners. */
  readonly isRoot: boolean
}>()("flatimage/build/Machine") {
  /** In: the name of the processor as Node has it, and the numeric user. Fails with `BuildError` for other processors. */
  static readonly layer = (options: { readonly arch: string; readonly uid: number }) =>
    Layer.effect(
      Machine,
      Effect.gen(function*() {
        const architecture = architectures[options.arch]
        if (architecture === undefined) {
          return yield* buildError("Refused", { detail: `images cannot be made on the processor ${options.arch}` })
        }
        return Machine.of({ architecture, isRoot: options.uid === 0 })
      })
    )
}
