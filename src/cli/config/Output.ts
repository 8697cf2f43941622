import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { toJson } from "../../image/Json.ts"
import { printable, printableJson } from "../../Printable.ts"

/** Data goes to standard output as it is, but for what a terminal would not show; what happened is said with `Effect.logInfo`. Nothing at all prints nothing. */
export const printLines = (lines: ReadonlyArray<string>): Effect.Effect<void> =>
  lines.length === 0 ? Effect.void : Console.log(lines.map(printable).join("\n"))

/** Two spaces, keys in alphabetical order. */
export const printJson = (value: unknown): Effect.Effect<void> => Console.log(printableJson(toJson(value, 2)))
