/** fim-overlay: what lays the writable tree over the layers. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { overlayNames } from "../../image/SettingsDefaults.ts"
import { runFilesystem } from "../../image/SettingsRun.ts"
import { Host } from "../../relocate/Host.ts"
import { trailingError, usageError } from "./CommandError.ts"
import { printJson, printLines } from "./Output.ts"
import { parseWords } from "./Words.ts"

/** What the next run uses, which the environment and case folding may change. */
const show = Effect.fnUntraced(function*(json: boolean) {
  const space = yield* ReservedSpace
  const run = runFilesystem(
    { overlay: yield* space.read("overlay"), casefold: yield* space.read("casefold") },
    (yield* Host).environment
  )
  if (run.warning !== undefined) yield* Effect.logWarning(run.warning)
  const name = run.overlay.toUpperCase()
  yield* json ? printJson({ overlay: name }) : printLines([name])
})

export const overlay = Effect.fn("fim-overlay")(function*(args: ReadonlyArray<string>) {
  const { json, operation, rest } = parseWords(args)
  switch (operation) {
    case undefined:
      return yield* usageError("Missing op for 'fim-overlay' (<set|show>)")
    case "SET": {
      const [word, ...trailing] = rest
      if (word === undefined) return yield* usageError("Missing argument for 'set'")
      const type = overlayNames.find((name) => name === word.toLowerCase())
      if (type === undefined) return yield* usageError("Invalid overlay type")
      if (trailing.length > 0) return yield* trailingError("fim-overlay", trailing)
      return yield* (yield* ReservedSpace).write("overlay", type)
    }
    case "SHOW":
    case "GET":
      return yield* rest.length > 0 ? trailingError("fim-overlay", rest) : show(json)
    default:
      return yield* usageError("Invalid overlay operation")
  }
})
