/** fim-casefold and fim-notify: on or off. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { trailingError, usageError } from "./CommandError.ts"
import { printJson, printLines } from "./Output.ts"
import { parseWords } from "./Words.ts"

const handler = (field: "casefold" | "notify") => {
  const missing = `Incorrect number of arguments for 'fim-${field}' (<on|off>)`
  const tooMany = (words: ReadonlyArray<string>) => {
    const trailing = trailingError(`fim-${field}`, words)
    // FlatImage in C++ says this of the two in different words, and scripts look for them.
    return field === "casefold" ? trailing : usageError(missing, trailing.text)
  }
  return Effect.fn(`fim-${field}`)(function*(args: ReadonlyArray<string>) {
    const { json, operation, rest } = parseWords(args)
    const space = yield* ReservedSpace
    switch (operation) {
      case undefined:
        return yield* usageError(missing)
      case "ON":
      case "OFF":
        if (rest.length > 0) return yield* tooMany(rest)
        return yield* space.write(field, operation === "ON")
      case "GET":
      case "SHOW": {
        if (rest.length > 0) return yield* tooMany(rest)
        const value = yield* space.read(field)
        return yield* json ? printJson({ [field]: value }) : printLines([value ? "on" : "off"])
      }
      default:
        return yield* usageError(`Invalid ${field} switch`)
    }
  })
}

export const casefold = handler("casefold")
export const notify = handler("notify")
