/** fim-bind: paths of the host in the guest. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Binding } from "../../image/Settings.ts"
import { usageError } from "./CommandError.ts"
import { printJson } from "./Output.ts"

/** A path that a start can find, whatever its working directory. Variables are replaced at the start. */
const isPath = (path: string): boolean => /^[/$~]/.test(path)

export const add = Effect.fn("fim-bind.add")(function*(
  { destination, source, type }: {
    readonly type: Binding["type"]
    readonly source: string
    readonly destination: string
  }
) {
  const relative = [source, destination].find((path) => !isPath(path))
  if (relative !== undefined) {
    return yield* usageError(
      `'${relative}' is not an absolute path`,
      "A path begins with '/', '~' or a variable, as '$HOME/data'"
    )
  }
  const index = yield* (yield* ReservedSpace).modify("bindings", (current) => [
    current.length,
    [...current, { type, src: source, dst: destination }]
  ])
  yield* Effect.logInfo(`Binding index is '${index}'`)
})

/** Removes a bind by its index, or by its path in the guest. */
export const del = Effect.fn("fim-bind.del")(function*({ which }: { readonly which: string }) {
  const matches = (binding: Binding, index: number) =>
    /^\d+$/.test(which) ? index === Number(which) : binding.dst === which
  const found = yield* (yield* ReservedSpace).modify("bindings", (current) => {
    const at = current.findIndex(matches)
    return [at, current.filter((_, index) => index !== at)]
  })
  yield* Effect.logInfo(
    found < 0 ? `No element with index '${which}' found` : `Erase element with index '${found}'`
  )
})

export const list = Effect.fn("fim-bind.list")(function*({ json }: { readonly json: boolean }) {
  const bindings = yield* (yield* ReservedSpace).read("bindings")
  if (json || bindings.length > 0) yield* printJson(Object.fromEntries(bindings.entries()))
})

export const clear = Effect.fn("fim-bind.clear")(function*() {
  yield* (yield* ReservedSpace).write("bindings", [])
})
