import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ReservedSpace } from "./ReservedSpace.ts"
import type { ReservedSpaceError } from "./ReservedSpaceError.ts"
import { changed, RunChanges } from "./RunChanges.ts"
import type { Settings } from "./Settings.ts"

/**
 * The settings of a run with the changes of this start. They are read once, while other things start. A damaged field has
 * its default, with a warning.
 */
export class Snapshot extends Context.Service<Snapshot, Settings>()("flatimage/image/Snapshot") {
  static readonly layer: Layer.Layer<Snapshot, ReservedSpaceError, ReservedSpace> = Layer.effect(
    Snapshot,
    Effect.gen(function*() {
      const reserved = yield* ReservedSpace
      const { settings, warnings } = yield* reserved.snapshot
      for (const warning of warnings) yield* Effect.logWarning(warning)
      return changed(settings, yield* RunChanges)
    })
  )
}
