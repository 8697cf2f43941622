/** fim-overlay: the type of the file system that makes the layers writable. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Overlay } from "../../image/SettingsDefaults.ts"
import { runFilesystem } from "../../image/SettingsRun.ts"
import { Host } from "../../relocate/Host.ts"
import { printJson, printLines } from "./Output.ts"

/** Shows the type that the next run uses, which the environment and case folding may change. */
export const show = Effect.fn("fim-overlay.show")(function*({ json }: { readonly json: boolean }) {
  const space = yield* ReservedSpace
  const run = runFilesystem(
    { overlay: yield* space.read("overlay"), casefold: yield* space.read("casefold") },
    (yield* Host).environment
  )
  if (run.warning !== undefined) yield* Effect.logWarning(run.warning)
  const name = run.overlay.toUpperCase()
  yield* json ? printJson({ overlay: name }) : printLines([name])
})

export const set = Effect.fn("fim-overlay.set")(function*({ type }: { readonly type: Overlay }) {
  yield* (yield* ReservedSpace).write("overlay", type)
})
