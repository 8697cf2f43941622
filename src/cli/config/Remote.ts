/** fim-remote: where recipes come from. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { CommandError, trailingError, usageError } from "./CommandError.ts"
import { printJson, printLines } from "./Output.ts"
import { parseWords } from "./Words.ts"

export const remote = Effect.fn("fim-remote")(function*(args: ReadonlyArray<string>) {
  const { json, operation, rest } = parseWords(args)
  const space = yield* ReservedSpace
  switch (operation) {
    case undefined:
      return yield* usageError("Missing op for 'fim-remote' (<set|show|clear>)")
    case "SET": {
      const [url, ...trailing] = rest
      if (url === undefined || url === "") return yield* usageError("Missing URL for 'set' operation")
      if (trailing.length > 0) return yield* trailingError("fim-remote", trailing)
      yield* space.write("remote", url)
      return yield* Effect.logInfo(`Set remote URL to '${url}'`)
    }
    case "SHOW":
    case "GET": {
      if (rest.length > 0) return yield* trailingError("fim-remote", rest)
      const url = yield* space.read("remote")
      if (url === undefined) {
        return yield* new CommandError({
          text: "No remote URL configured",
          hint: "'fim-remote set <url>' configures one",
          context: "Could not show the remote URL"
        })
      }
      return yield* json ? printJson({ url }) : printLines([url])
    }
    case "CLEAR":
      if (rest.length > 0) return yield* trailingError("fim-remote", rest)
      yield* space.write("remote", undefined)
      return yield* Effect.logInfo("Cleared remote URL")
    default:
      return yield* usageError("Invalid remote operation")
  }
})
