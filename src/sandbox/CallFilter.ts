import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { expand } from "../image/Expand.ts"
import type { Permission } from "../image/SettingsDefaults.ts"
import { Snapshot } from "../image/Snapshot.ts"
import { Host } from "../relocate/Host.ts"
import type { Program } from "./FilterProgram.ts"
import { type Allowance, architecturesOf, filterOf, rulesWithout } from "./Seccomp.ts"

/** What `FIM_ALLOW` can name. */
const allowable = ["ids", "multiarch", "ptrace", "userns"] as const satisfies ReadonlyArray<Allowance>

/**
 * Permissions that are about a socket of the host. Families of sockets cannot be told apart in calls of 32-bit x86
 * programs, so without one of these such programs get no socket at all.
 */
const aboutSockets: ReadonlySet<Permission> = new Set([
  "audio",
  "dbus_system",
  "dbus_user",
  "network",
  "wayland",
  "xorg"
])

/**
 * What is allowed beyond what every guest may do. In: the value of `FIM_ALLOW`, names with commas between them, and the
 * permissions. Fails with a sentence for a name that means nothing.
 */
export const allowancesOf = (
  words: string,
  permissions: ReadonlyArray<Permission>
): Result.Result<ReadonlySet<Allowance>, string> => {
  const allowed = new Set<Allowance>(permissions.some((name) => aboutSockets.has(name)) ? ["sockets"] : [])
  for (const word of words.split(",")) {
    if (word === "") continue
    const known = allowable.find((name) => name === word)
    if (known === undefined) return Result.fail(`FIM_ALLOW can name ${allowable.join(", ")}, but not '${word}'`)
    allowed.add(known)
  }
  return Result.succeed(allowed)
}

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
export class CallFilter extends Context.Service<CallFilter, Result.Result<Filters, string>>()(
  "flatimage/sandbox/CallFilter"
) {
  static readonly layer: Layer.Layer<CallFilter, never, Host | Snapshot> = Layer.effect(
    CallFilter,
    Effect.gen(function*() {
      const host = yield* Host
      const settings = yield* Snapshot
      const image = expand(settings.environment["FIM_ALLOW"] ?? "", host.environment)
      const words = host.environment["FIM_ALLOW"] ?? image
      return Result.map(allowancesOf(words, settings.permissions), (allowed) => {
        const architectures = architecturesOf(host.architecture)
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
    })
  )
}
