/** `flatimage inspect`. */
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Runtime from "effect/Runtime"
import { atPath } from "../../builder/BuildError.ts"
import { type Inspection, Inspector } from "../../image/Inspect.ts"
import { printable, printableJson } from "../../Printable.ts"

/** A damaged image, whose problems have been printed. */
export class NotSound extends Data.TaggedError("NotSound")<{ readonly path: string }> {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

const table = (found: Inspection): string => {
  const rows = [
    ["part", "offset", "size", ""],
    ...found.parts.map((part) => [part.name, String(part.offset), String(part.size), part.detail].map(printable))
  ]
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  const widths = [width(0), width(1), width(2)]
  return rows.map(([name = "", offset = "", size = "", detail = ""]) =>
    `${name.padEnd(widths[0] ?? 0)}  ${offset.padStart(widths[1] ?? 0)}  ${size.padStart(widths[2] ?? 0)}  ${detail}`
      .trimEnd()
  ).join("\n")
}

export const inspect = Effect.fn("flatimage.inspect")(function*(
  { file, json }: { readonly file: string; readonly json: boolean }
) {
  const inspector = yield* Inspector
  const path = (yield* Path.Path).resolve(file)
  const found = yield* inspector.inspect(path).pipe(atPath(path))
  if (json) {
    yield* Console.log(
      printableJson(JSON.stringify({ ...found, sound: found.problems.length === 0 }, null, 2))
    )
  } else {
    yield* Console.log(table(found))
    if (found.identity !== undefined) yield* Console.log(`identity: ${found.identity}`)
    for (const problem of found.problems) yield* Console.log(`not sound: ${printable(problem)}`)
    if (found.problems.length === 0) {
      yield* Console.log(`sound: flatimage ${printable(String(found.version))}, ${found.size} bytes`)
    }
  }
  if (found.problems.length > 0) return yield* new NotSound({ path })
})
