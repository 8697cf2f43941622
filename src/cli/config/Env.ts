/** fim-env: variables of the guest. */
import * as Effect from "effect/Effect"
import { expandEnvironment } from "../../image/Expand.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Environment } from "../../image/Settings.ts"
import { Host } from "../../relocate/Host.ts"
import { trailingError, usageError } from "./CommandError.ts"
import { printJson, printLines } from "./Output.ts"
import { parseWords } from "./Words.ts"

const parseAssignments = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  const assignments: Array<readonly [name: string, value: string]> = []
  for (const word of words) {
    const split = word.indexOf("=")
    if (split < 1 || !word.isWellFormed() || word.includes("\0")) {
      return yield* usageError(`Variable assignment '${word}' is invalid`)
    }
    assignments.push([word.slice(0, split), word.slice(split + 1)])
  }
  return Object.fromEntries(assignments)
})

const list = Effect.fnUntraced(function*(json: boolean) {
  const environment = yield* (yield* ReservedSpace).read("environment")
  const variables = expandEnvironment(environment, (yield* Host).environment)
  yield* json
    ? printJson(Object.fromEntries(variables))
    : printLines(variables.map(([name, value]) => `${name}=${value}`))
})

const include = Effect.fnUntraced(function*(
  words: ReadonlyArray<string>,
  next: (current: Environment, added: Environment) => Environment
) {
  const added = yield* parseAssignments(words)
  yield* (yield* ReservedSpace).update("environment", (current) => next(current, added))
  yield* Effect.forEach(
    Object.entries(added),
    ([name, value]) => Effect.logInfo(`Included variable '${name}' with value '${value}'`),
    { discard: true }
  )
})

const remove = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const known = yield* (yield* ReservedSpace).modify("environment", (current) => [
    new Set(Object.keys(current)),
    Object.fromEntries(Object.entries(current).filter(([name]) => !names.includes(name)))
  ])
  yield* Effect.forEach(
    new Set(names),
    (name) => Effect.logInfo(known.has(name) ? `Erase key '${name}'` : `Key '${name}' not found for deletion`),
    { discard: true }
  )
})

export const env = Effect.fn("fim-env")(function*(args: ReadonlyArray<string>) {
  const { json, operation, rest } = parseWords(args)
  switch (operation) {
    case undefined:
      return yield* usageError("Missing op for 'fim-env' (add,del,list,set,clear)")
    case "LIST":
      return yield* rest.length > 0 ? trailingError("fim-env", rest) : list(json)
    case "CLEAR":
      if (rest.length > 0) return yield* trailingError("fim-env", rest)
      return yield* (yield* ReservedSpace).write("environment", {})
    case "ADD":
    case "SET":
    case "DEL":
      if (rest.length === 0) return yield* usageError(`Missing arguments for '${operation}'`)
      if (operation === "DEL") return yield* remove(rest)
      return yield* include(rest, (current, added) => operation === "ADD" ? { ...current, ...added } : added)
    default:
      return yield* usageError("Invalid env operation")
  }
})
