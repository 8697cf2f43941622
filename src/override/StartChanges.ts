/** What a start changes about the settings of its image: the user's overrides, then the options of `fim-run`. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { ReservedSpace } from "../image/ReservedSpace.ts"
import { type Changes, RunChanges } from "../image/RunChanges.ts"
import { notice } from "../Log.ts"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { overrideDirectory } from "./OverrideDirectory.ts"

/** Options of a start, on top of the overrides: the last one counts, and what is denied anywhere stays denied. */
const onTopOf = (override: Omit<Changes, "directory">, options: Changes): Changes => ({
  allow: [...override.allow, ...options.allow],
  deny: [...override.deny, ...options.deny],
  bindings: [...override.bindings, ...options.bindings],
  environment: { ...override.environment, ...options.environment },
  directory: options.directory
})

const read = Effect.gen(function*() {
  const options = yield* RunChanges
  const fs = yield* FileSystem.FileSystem
  const directory = yield* overrideDirectory
  if (directory === undefined || !(yield* Effect.orElseSucceed(fs.exists(directory), () => true))) return options
  // Most users have none.
  const { digestOf, readOverride } = yield* Effect.promise(() => import("./OverrideFile.ts"))
  const { settings } = yield* (yield* ReservedSpace).snapshot
  const { identity } = settings.extension
  const override = identity === undefined ? undefined : yield* readOverride(directory, identity)
  if (override === undefined) return options
  if (override.settings !== digestOf(yield* NativeBytes, settings)) {
    yield* notice(
      "Your overrides are not applied, because the settings of the image have changed since you made them. To look at them: " +
        "fim-override list; to apply them again: fim-override confirm"
    )
    return options
  }
  const denied = options.allow.filter((name) => override.deny.includes(name))
  if (denied.length > 0) {
    yield* notice(`Your overrides deny ${denied.join(", ")}. To allow it: fim-override set --allow ${denied.join(",")}`)
  }
  const bindings = override.bindings.map(({ dst, src, type }) => ({ dst, src, type, optional: true }))
  return onTopOf({ ...override, bindings }, options)
})

/** Provides the changes of this start to all that follows. Fails with `OverrideError` for overrides that are not valid. */
export const startChanges = Layer.effect(RunChanges, read)
