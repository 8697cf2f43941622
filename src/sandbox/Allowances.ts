/** System calls beyond those that every guest may make: `FIM_ALLOW`, and what follows from permissions. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { expand } from "../image/Expand.ts"
import { RunChanges } from "../image/RunChanges.ts"
import type { Permission } from "../image/SettingsDefaults.ts"
import { Snapshot } from "../image/Snapshot.ts"
import { Host } from "../relocate/Host.ts"
import type { Allowance } from "./Seccomp.ts"

/** `FIM_ALLOW` names something that cannot be allowed. */
export class AllowanceError extends Data.TaggedError("AllowanceError")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** What `FIM_ALLOW` can name. */
const allowable = ["cma", "ids", "keyring", "multiarch", "numa", "ptrace", "userns"] as const satisfies ReadonlyArray<
  Allowance
>

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
 * permissions. Fails with a sentence for an unknown name.
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

/** What the guest of this run may do beyond what every guest may. Checked before anything is mounted. */
export class Allowances extends Context.Service<Allowances, ReadonlySet<Allowance>>()(
  "flatimage/sandbox/Allowances"
) {
  static readonly layer: Layer.Layer<Allowances, AllowanceError, Host | Snapshot> = Layer.effect(
    Allowances,
    Effect.gen(function*() {
      const host = yield* Host
      const settings = yield* Snapshot
      const image = expand(settings.environment["FIM_ALLOW"] ?? "", host.environment)
      // As with all variables of the guest, what this start sets comes first.
      const names = (yield* RunChanges).environment["FIM_ALLOW"] ?? host.environment["FIM_ALLOW"] ?? image
      return yield* Effect.fromResult(allowancesOf(names, settings.permissions)).pipe(
        Effect.mapError((detail) => new AllowanceError({ detail }))
      )
    })
  )
}
