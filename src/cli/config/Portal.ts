/** fim-portal: which programs of the host the guest may run. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { trailingError, usageError } from "./CommandError.ts"
import { printJson, printLines } from "./Output.ts"
import { parseWords } from "./Words.ts"

/** A name is looked up in the host's PATH. With a slash it has to be a whole path: it would depend on the guest's directory. */
const checkPrograms = Effect.fnUntraced(function*(operation: string, words: ReadonlyArray<string>) {
  if (words.length === 0) return yield* usageError(`Missing arguments for '${operation}'`)
  for (const word of words) {
    const isName = word !== "" && word !== "." && word !== ".." && !word.includes("/")
    if (!isName && !/^\/(?!.*\/\.{0,2}(\/|$))./.test(word)) {
      return yield* usageError(`Invalid program '${word}'`, "a name, an absolute path, or '*' for all programs")
    }
  }
  return words
})

const sorted = (programs: ReadonlySet<string>): ReadonlyArray<string> => [...programs].sort()

export const portal = Effect.fn("fim-portal")(function*(args: ReadonlyArray<string>) {
  const { json, operation, rest } = parseWords(args)
  const space = yield* ReservedSpace
  const change = (next: (current: ReadonlyArray<string>) => ReadonlyArray<string>) =>
    space.update("extension", (extension) => ({ ...extension, portal: next(extension.portal) }))
  switch (operation) {
    case undefined:
      return yield* usageError("Missing op for 'fim-portal' (<allow|deny|list|clear>)")
    case "ALLOW": {
      const programs = yield* checkPrograms(operation, rest)
      return yield* change((current) => sorted(new Set([...current, ...programs])))
    }
    case "DENY": {
      const programs = new Set(yield* checkPrograms(operation, rest))
      const before = (yield* space.read("extension")).portal
      yield* change((current) => current.filter((program) => !programs.has(program)))
      const still = before.includes("*") && !programs.has("*")
      if (still) yield* Effect.logWarning("'*' still allows every program; 'fim-portal deny *' takes it back")
      return
    }
    case "LIST": {
      if (rest.length > 0) return yield* trailingError("fim-portal", rest)
      const programs = sorted(new Set((yield* space.read("extension")).portal))
      return yield* json ? printJson(programs) : printLines(programs)
    }
    case "CLEAR":
      if (rest.length > 0) return yield* trailingError("fim-portal", rest)
      return yield* change(() => [])
    default:
      return yield* usageError("Invalid portal operation")
  }
})
