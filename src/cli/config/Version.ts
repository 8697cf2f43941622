/** fim-version: what this image was made from. */
import * as Effect from "effect/Effect"
import { versionName } from "../../sandbox/Environment.ts"
import { BuildInfo } from "./BuildInfo.ts"
import { trailingError, usageError } from "./CommandError.ts"
import { printJson, printLines } from "./Output.ts"
import { parseWords } from "./Words.ts"

export const version = Effect.fn("fim-version")(function*(args: ReadonlyArray<string>) {
  const { operation, rest } = parseWords(args)
  const build = yield* BuildInfo
  const name = versionName(build.version)
  // All three print: `--json` is taken by each, and says nothing new to two of them.
  const json = rest.at(0) === "--json"
  const trailing = json ? rest.slice(1) : rest
  const print = {
    SHORT: json ? printJson(name) : printLines([name]),
    FULL: Effect.flatMap(build.distribution, (distribution) =>
      printJson({
        COMMIT: build.commit,
        DISTRIBUTION: distribution,
        TIMESTAMP: build.timestamp,
        VERSION: name
      })),
    DEPS: Effect.flatMap(build.dependencies, printJson)
  }
  switch (operation) {
    case undefined:
      return yield* usageError("Missing op for 'fim-version' (<short|full|deps>)")
    case "SHORT":
    case "FULL":
    case "DEPS":
      return yield* trailing.length > 0 ? trailingError("fim-version", trailing) : print[operation]
    default:
      return yield* usageError("Invalid version operation")
  }
})
