import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Host } from "../relocate/Host.ts"
import { Allowances } from "./Allowances.ts"
import type { Program } from "./FilterProgram.ts"
import { architecturesOf, filterOf, rulesWithout } from "./Seccomp.ts"

/** The filters of a guest's system calls. */
export interface Filters {
  readonly plain: Program
  /** The same for root of a guest that is an ordinary user outside; nothing where his ids are left to the kernel. */
  readonly emulating: Effect.Effect<Emulating | undefined>
}

export interface Emulating {
  readonly program: Program
  /** Settings for apt with the emulating filter. */
  readonly aptSettings: string
}

/**
 * The filter of the guest's system calls. Its layer needs nothing of the mounts, so that it is computed while the janitor
 * makes them: a millisecond that nobody waits for.
 */
export class CallFilter extends Context.Service<CallFilter, Filters>()("flatimage/sandbox/CallFilter") {
  static readonly layer: Layer.Layer<CallFilter, never, Allowances | Host> = Layer.effect(
    CallFilter,
    Effect.gen(function*() {
      const allowed = yield* Allowances
      const { architecture } = yield* Host
      const architectures = architecturesOf(architecture)
      const refused = rulesWithout(allowed)
      return {
        plain: filterOf(architectures, refused),
        emulating: allowed.has("ids") ? Effect.succeed(undefined) : Effect.map(
          Effect.promise(() => import("./Emulation.ts")),
          ({ aptSettings, emulation }) => ({
            program: filterOf(architectures, [...refused, ...emulation]),
            aptSettings
          })
        )
      }
    })
  )
}
