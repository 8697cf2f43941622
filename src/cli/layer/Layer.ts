/** fim-layer: makes layers, adds them to the image and lists them. */
import * as Effect from "effect/Effect"
import { usageError } from "../config/CommandError.ts"
import { commit } from "./Commit.ts"
import * as Rollback from "./Rollback.ts"
import * as Squash from "./Squash.ts"

/** The number of layers that a word says; `undefined` when there is no word. */
const countOf = Effect.fnUntraced(function*(operation: string, word: string | undefined, least: number) {
  if (word === undefined) return undefined
  const count = /^\d{1,9}$/.test(word) ? Number(word) : 0
  if (count < least) return yield* usageError(`${operation} takes a number of layers from ${least} on, not '${word}'`)
  return count
})

interface Count {
  readonly n: string | undefined
}

export const commitBinary = () => commit({ _tag: "binary" })
export const commitLayer = () => commit({ _tag: "layer" })
export const commitFile = ({ path }: { readonly path: string }) => commit({ _tag: "file", path })

export const rollback = Effect.fnUntraced(function*({ n }: Count) {
  yield* Rollback.rollback((yield* countOf("rollback", n, 1)) ?? 1)
})

export const squash = Effect.fnUntraced(function*({ n }: Count) {
  yield* Squash.squash(yield* countOf("squash", n, 2))
})
