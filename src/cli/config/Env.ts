/** fim-env: variables of the guest. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { expandEnvironment } from "../../image/Expand.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Environment } from "../../image/Settings.ts"
import { inGuest } from "../../relocate/Directories.ts"
import { Host } from "../../relocate/Host.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { CommandError, usageError } from "./CommandError.ts"
import { printJson, printLines } from "./Output.ts"

const parseAssignments = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const assignments: Array<readonly [name: string, value: string]> = []
  for (const arg of args) {
    const split = arg.indexOf("=")
    if (split < 1 || !arg.isWellFormed() || arg.includes("\0")) {
      return yield* usageError(`Variable assignment '${arg}' is invalid`)
    }
    assignments.push([arg.slice(0, split), arg.slice(split + 1)])
  }
  return Object.fromEntries(assignments)
})

const include = Effect.fnUntraced(function*(
  args: ReadonlyArray<string>,
  next: (current: Environment, added: Environment) => Environment
) {
  const added = yield* parseAssignments(args)
  yield* (yield* ReservedSpace).update("environment", (current) => next(current, added))
  yield* Effect.forEach(
    Object.entries(added),
    ([name, value]) => Effect.logInfo(`Included variable '${name}' with value '${value}'`),
    { discard: true }
  )
})

interface Assignments {
  readonly assignments: ReadonlyArray<string>
}

export const add = Effect.fn("fim-env.add")(({ assignments }: Assignments) =>
  include(assignments, (current, added) => ({ ...current, ...added }))
)

export const set = Effect.fn("fim-env.set")(({ assignments }: Assignments) => include(assignments, (_, added) => added))

export const del = Effect.fn("fim-env.del")(function*({ names }: { readonly names: ReadonlyArray<string> }) {
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

/**
 * The variables that values may refer to. Those of a run are looked up only if a value refers to one, because the look-up
 * takes longer than everything else.
 */
const known = Effect.fnUntraced(function*(environment: Readonly<Record<string, string>>) {
  const host = yield* Host
  const relocate = yield* Effect.serviceOption(Relocate)
  const texts = Object.entries(environment).flat()
  if (Option.isNone(relocate) || !texts.some((text) => text.includes("FIM_"))) return host.environment
  const extension = yield* (yield* ReservedSpace).read("extension")
  const { variablesOf } = yield* Effect.promise(() => import("../../relocate/OwnVariables.ts"))
  const { existingData } = yield* Effect.promise(() => import("../../relocate/ExistingData.ts"))
  const data = yield* existingData("layers", extension).pipe(
    Effect.provideService(Relocate, relocate.value),
    Effect.mapError(({ message }) => new CommandError({ text: message, context: "Could not list the variables" }))
  )
  return variablesOf(
    { host, relocate: relocate.value, distribution: extension.distribution, data: data ?? "" },
    inGuest(relocate.value.directories)
  )
})

export const list = Effect.fn("fim-env.list")(function*({ json }: { readonly json: boolean }) {
  const environment = yield* (yield* ReservedSpace).read("environment")
  const variables = expandEnvironment(environment, yield* known(environment))
  yield* json
    ? printJson(Object.fromEntries(variables))
    : printLines(variables.map(([name, value]) => `${name}=${value}`))
})

export const clear = Effect.fn("fim-env.clear")(function*() {
  yield* (yield* ReservedSpace).write("environment", {})
})
