/** fim-perms and fim-unshare: a set of names, of which `all` stands for every one. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Fields } from "../../image/Settings.ts"
import { namespaceNames, permissionNames } from "../../image/SettingsDefaults.ts"
import { printJson, printLines } from "./Output.ts"

const operations = <Field extends "permissions" | "unshare">(
  command: string,
  field: Field,
  known: ReadonlyArray<Fields[Field][number]>
) => {
  const pick = (isIn: (name: string) => boolean) => known.filter(isIn) as ReadonlyArray<string> as Fields[Field]
  const setOf = (names: ReadonlyArray<string>) => new Set<string>(names.includes("all") ? known : names)
  return {
    list: Effect.fn(`${command}.list`)(function*({ json }: { readonly json: boolean }) {
      const names = [...(yield* (yield* ReservedSpace).read(field))].sort()
      yield* json ? printJson(names) : printLines(names)
    }),
    clear: Effect.fn(`${command}.clear`)(function*() {
      yield* (yield* ReservedSpace).write(field, pick(() => false))
    }),
    set: Effect.fn(`${command}.set`)(function*({ names }: { readonly names: ReadonlyArray<string> }) {
      const wanted = setOf(names)
      yield* (yield* ReservedSpace).write(field, pick((name) => wanted.has(name)))
    }),
    add: Effect.fn(`${command}.add`)(function*({ names }: { readonly names: ReadonlyArray<string> }) {
      const more = setOf(names)
      yield* (yield* ReservedSpace).update(field, (current) => {
        const before: ReadonlySet<string> = new Set(current)
        return pick((name) => before.has(name) || more.has(name))
      })
    }),
    del: Effect.fn(`${command}.del`)(function*({ names }: { readonly names: ReadonlyArray<string> }) {
      const less = setOf(names)
      yield* (yield* ReservedSpace).update(field, (current) => {
        const before: ReadonlySet<string> = new Set(current)
        return pick((name) => before.has(name) && !less.has(name))
      })
    })
  }
}

export const perms = operations("fim-perms", "permissions", permissionNames)
export const unshare = operations("fim-unshare", "unshare", namespaceNames)
