/** fim-portal: which programs of the host the guest may run. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { printJson, printLines } from "./Output.ts"

const sorted = (programs: ReadonlySet<string>): ReadonlyArray<string> => [...programs].sort()

const change = Effect.fnUntraced(function*(next: (current: ReadonlyArray<string>) => ReadonlyArray<string>) {
  yield* (yield* ReservedSpace).update("extension", (extension) => ({ ...extension, portal: next(extension.portal) }))
})

interface Programs {
  readonly programs: ReadonlyArray<string>
}

export const allow = Effect.fn("fim-portal.allow")(({ programs }: Programs) =>
  change((current) => sorted(new Set([...current, ...programs])))
)

export const deny = Effect.fn("fim-portal.deny")(function*({ programs }: Programs) {
  const denied = new Set(programs)
  const before = (yield* (yield* ReservedSpace).read("extension")).portal
  yield* change((current) => current.filter((program) => !denied.has(program)))
  const still = before.includes("*") && !denied.has("*")
  if (still) yield* Effect.logWarning("'*' still allows every program; 'fim-portal deny *' takes it back")
})

export const list = Effect.fn("fim-portal.list")(function*({ json }: { readonly json: boolean }) {
  const programs = sorted(new Set((yield* (yield* ReservedSpace).read("extension")).portal))
  yield* json ? printJson(programs) : printLines(programs)
})

export const clear = Effect.fn("fim-portal.clear")(() => change(() => []))
