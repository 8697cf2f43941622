/** fim-layer: makes layers, adds them to the image and lists them. */
import * as Effect from "effect/Effect"
import { quoteList, usageError } from "../config/CommandError.ts"
import { parseWords } from "../config/Words.ts"
import { addLayer } from "./Add.ts"
import { commit } from "./Commit.ts"
import { createLayer } from "./Create.ts"
import { list } from "./List.ts"
import { rollback } from "./Rollback.ts"
import { squash } from "./Squash.ts"

const commitTargets = ["binary", "layer", "file"] as const

/** `commit` and its words. */
const runCommit = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  const [word, ...rest] = words
  if (word === undefined) return yield* usageError("Missing op for 'commit' (binary,layer,file)")
  const target = commitTargets.find((name) => name === word.toLowerCase())
  if (target === undefined) return yield* usageError("Invalid commit operation")
  const [path, ...behind] = rest
  const trailing = target === "file" ? behind : rest
  if (target === "file" && (path === undefined || path === "")) {
    return yield* usageError("Missing path for 'file' operation")
  }
  if (trailing.length > 0) {
    return yield* usageError(`Trailing arguments for fim-layer commit: ${quoteList(trailing)}`)
  }
  return yield* commit(target === "file" ? { _tag: "file", path: path ?? "" } : { _tag: target })
})

/** The number of layers that a word says; `undefined` when there is no word. */
const countOf = Effect.fnUntraced(function*(operation: string, words: ReadonlyArray<string>, least: number) {
  const [word, ...trailing] = words
  if (trailing.length > 0) {
    return yield* usageError(`Trailing arguments for fim-layer ${operation}: ${quoteList(trailing)}`)
  }
  if (word === undefined) return undefined
  const count = /^\d{1,9}$/.test(word) ? Number(word) : 0
  if (count < least) return yield* usageError(`${operation} takes a number of layers from ${least} on, not '${word}'`)
  return count
})

/** The command. In: the words behind its name. */
export const layer = Effect.fn("fim-layer")(function*(args: ReadonlyArray<string>) {
  const { json, operation, rest } = parseWords(args)
  switch (operation) {
    case undefined:
      return yield* usageError(
        "Missing op for 'fim-layer' (create,add,commit,list)",
        "There are rollback and squash too"
      )
    case "CREATE": {
      const [directory, file] = rest
      if (directory === undefined || file === undefined || rest.length > 2) {
        return yield* usageError("create requires exactly two arguments (/path/to/dir /path/to/file.layer)")
      }
      return yield* createLayer(directory, file)
    }
    case "ADD": {
      const [file] = rest
      if (file === undefined || rest.length > 1) {
        return yield* usageError("add requires exactly one argument (/path/to/file.layer)")
      }
      return yield* addLayer(file)
    }
    case "LIST": {
      const trailing = rest.filter((word) => word !== "--long")
      if (trailing.length > 0) {
        return yield* usageError(`Trailing arguments for fim-layer list: ${quoteList(trailing)}`)
      }
      return yield* list(json ? "json" : rest.length > 0 ? "long" : "short")
    }
    case "COMMIT":
      return yield* runCommit(rest)
    case "ROLLBACK":
      return yield* rollback((yield* countOf("rollback", rest, 1)) ?? 1)
    case "SQUASH":
      return yield* squash(yield* countOf("squash", rest, 2))
    default:
      return yield* usageError("Invalid layer operation")
  }
})
