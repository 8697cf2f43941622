/** fim-casefold and fim-notify: on or off. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { runFilesystem } from "../../image/SettingsRun.ts"
import { Host } from "../../relocate/Host.ts"
import { printJson, printLines } from "./Output.ts"

/** Warns if the stored case folding changes the overlay of a run, as every command of the original FlatImage does. */
const warnOfOverlay = Effect.fnUntraced(function*(casefold: boolean) {
  const overlay = yield* (yield* ReservedSpace).read("overlay")
  const { warning } = runFilesystem({ overlay, casefold }, (yield* Host).environment)
  if (warning !== undefined) yield* Effect.logWarning(warning)
})

const operations = (field: "casefold" | "notify") => {
  const write = (value: boolean) =>
    Effect.fn(`fim-${field}.${value ? "on" : "off"}`)(function*() {
      const space = yield* ReservedSpace
      if (field === "casefold") yield* warnOfOverlay(yield* space.read(field))
      yield* space.write(field, value)
    })
  return {
    on: write(true),
    off: write(false),
    get: Effect.fn(`fim-${field}.get`)(function*({ json }: { readonly json: boolean }) {
      const value = yield* (yield* ReservedSpace).read(field)
      yield* json ? printJson({ [field]: value }) : printLines([value ? "on" : "off"])
    })
  }
}

export const casefold = operations("casefold")
export const notify = operations("notify")
