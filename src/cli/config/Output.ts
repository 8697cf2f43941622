import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { toJson } from "../../image/Json.ts"
import { printable, printableJson } from "../../Printable.ts"

/**
 * Prints data to standard output; characters that a terminal would interpret are escaped. Messages use `Effect.logInfo`
 * instead. An empty list prints nothing.
 */
export const printLines = (lines: ReadonlyArray<string>): Effect.Effect<void> =>
  lines.length === 0 ? Effect.void : Console.log(lines.map(printable).join("\n"))

/** Prints JSON, indented by two spaces, with keys in alphabetical order. */
export const printJson = (value: unknown): Effect.Effect<void> => Console.log(printableJson(toJson(value, 2)))

/** The lines of a table, whose first row is its head. Characters that a terminal would interpret are escaped. */
export const columns = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const cells = rows.map((row) => row.map(printable))
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd())
}
