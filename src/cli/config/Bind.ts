/** fim-bind: paths of the host in the guest. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Binding } from "../../image/Settings.ts"
import { bindingTypes } from "../../image/SettingsDefaults.ts"
import { usageError } from "./CommandError.ts"
import { printJson } from "./Output.ts"
import { parseWords } from "./Words.ts"

const add = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  const [typeWord, src, dst] = words
  const type = bindingTypes.find((known) => known === typeWord?.toLowerCase())
  if (typeWord !== undefined && type === undefined) return yield* usageError("Invalid bind type")
  if (type === undefined || src === undefined || dst === undefined || words.length > 3) {
    return yield* usageError("Incorrect number of arguments for 'add' (<ro,rw,dev> <src> <dst>)")
  }
  const index = yield* (yield* ReservedSpace).modify("bindings", (current) => [
    current.length,
    [...current, { type, src, dst }]
  ])
  yield* Effect.logInfo(`Binding index is '${index}'`)
})

/** By index, or by where it appears in the guest. */
const remove = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  const [word] = words
  if (word !== undefined && !/^\d+$/.test(word) && !word.includes("/")) {
    return yield* usageError("Index argument for 'del' is not a number", "A destination is a path, as '/data'")
  }
  if (word === undefined || words.length > 1) {
    return yield* usageError("Incorrect number of arguments for 'del' (<index>)")
  }
  const matches = (binding: Binding, index: number) =>
    /^\d+$/.test(word) ? index === Number(word) : binding.dst === word
  const found = yield* (yield* ReservedSpace).modify("bindings", (current) => {
    const at = current.findIndex(matches)
    return [at, current.filter((_, index) => index !== at)]
  })
  yield* Effect.logInfo(
    found < 0 ? `No element with index '${word}' found` : `Erase element with index '${found}'`
  )
})

const list = Effect.fnUntraced(function*(json: boolean) {
  const bindings = yield* (yield* ReservedSpace).read("bindings")
  if (json || bindings.length > 0) yield* printJson(Object.fromEntries(bindings.entries()))
})

export const bind = Effect.fn("fim-bind")(function*(args: ReadonlyArray<string>) {
  const { json, operation, rest } = parseWords(args)
  switch (operation) {
    case undefined:
      return yield* usageError("Missing op for 'fim-bind' command (add,del,list)")
    case "ADD":
      return yield* add(rest)
    case "DEL":
      return yield* remove(rest)
    case "LIST":
      return yield* rest.length > 0 ? usageError("'list' command takes no arguments") : list(json)
    case "CLEAR":
      if (rest.length > 0) return yield* usageError("'clear' command takes no arguments")
      return yield* (yield* ReservedSpace).write("bindings", [])
    default:
      return yield* usageError("Invalid bind operation")
  }
})
