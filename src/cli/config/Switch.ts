/** fim-casefold and fim-notify: on or off. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { printJson, printLines } from "./Output.ts"

const operations = (field: "casefold" | "notify") => {
  const write = (value: boolean) =>
    Effect.fn(`fim-${field}.${value ? "on" : "off"}`)(function*() {
      yield* (yield* ReservedSpace).write(field, value)
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
