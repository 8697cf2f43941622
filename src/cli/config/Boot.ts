/** fim-boot: what starts when the image is called without a command of its own. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { defaults } from "../../image/SettingsDefaults.ts"
import { trailingError, usageError } from "./CommandError.ts"
import { printJson } from "./Output.ts"
import { parseWords } from "./Words.ts"

export const boot = Effect.fn("fim-boot")(function*(args: ReadonlyArray<string>) {
  const { operation, rest } = parseWords(args)
  const space = yield* ReservedSpace
  switch (operation) {
    case undefined:
      return yield* usageError("Missing op for 'fim-boot' (<set|show|clear>)")
    case "SET": {
      const [program, ...programArgs] = rest
      if (program === undefined || program === "") return yield* usageError("Missing program for 'set' operation")
      return yield* space.write("boot", { program, args: programArgs })
    }
    case "SHOW":
    case "GET":
      if (rest.length > 0) return yield* trailingError("fim-boot", rest)
      return yield* printJson(yield* space.read("boot"))
    case "CLEAR":
      if (rest.length > 0) return yield* trailingError("fim-boot", rest)
      return yield* space.write("boot", defaults.boot)
    default:
      return yield* usageError("Invalid boot operation")
  }
})
