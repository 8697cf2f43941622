/** fim-perms and fim-unshare: a set of names. `all` stands for every name. */
import * as Effect from "effect/Effect"
import { added, inForce, named, removed } from "../../image/Namespaces.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Fields } from "../../image/Settings.ts"
import { type Namespace, namespaceNames, type Permission, permissionNames } from "../../image/SettingsDefaults.ts"
import { printJson, printLines } from "./Output.ts"

interface Names {
  readonly names: ReadonlyArray<string>
}

/**
 * Makes the operations of a command.
 *
 * @param known all names
 * @param field the field that stores them
 * @param set how stored names change: `named` returns those to list; `add`, `remove` and `exactly` return the new value;
 *   `explain` returns a line about what `list` does not show
 */
const operations = <Field extends "permissions" | "unshare", Name extends string>(
  command: string,
  field: Field,
  known: ReadonlyArray<Name>,
  set: {
    readonly named: (stored: Fields[Field]) => ReadonlyArray<Name>
    readonly add: (stored: Fields[Field], more: ReadonlyArray<Name>) => Fields[Field]
    readonly remove: (stored: Fields[Field], less: ReadonlyArray<Name>) => Fields[Field]
    readonly exactly: (names: ReadonlyArray<Name>) => Fields[Field]
    readonly explain: (stored: Fields[Field]) => string | undefined
  }
) => {
  const chosen = (names: ReadonlyArray<string>) => known.filter((name) => names.includes("all") || names.includes(name))
  return {
    list: Effect.fn(`${command}.list`)(function*({ json }: { readonly json: boolean }) {
      const names = [...set.named(yield* (yield* ReservedSpace).read(field))].sort()
      yield* json ? printJson(names) : printLines(names)
    }),
    clear: Effect.fn(`${command}.clear`)(function*() {
      yield* (yield* ReservedSpace).write(field, set.exactly([]))
    }),
    set: Effect.fn(`${command}.set`)(function*({ names }: Names) {
      yield* (yield* ReservedSpace).write(field, set.exactly(chosen(names)))
    }),
    add: Effect.fn(`${command}.add`)(function*({ names }: Names) {
      const stored = yield* (yield* ReservedSpace).update(field, (stored) => set.add(stored, chosen(names)))
      const line = set.explain(stored)
      if (line !== undefined) yield* Effect.logInfo(line)
    }),
    del: Effect.fn(`${command}.del`)(function*({ names }: Names) {
      yield* (yield* ReservedSpace).update(field, (stored) => set.remove(stored, chosen(names)))
    })
  }
}

export const perms = operations<"permissions", Permission>("fim-perms", "permissions", permissionNames, {
  named: (stored) => stored,
  add: (stored, more) => permissionNames.filter((name) => stored.includes(name) || more.includes(name)),
  remove: (stored, less) => stored.filter((name) => !less.includes(name)),
  exactly: (names) => names,
  explain: () => undefined
})

export const unshare = operations<"unshare", Namespace>("fim-unshare", "unshare", namespaceNames, {
  named,
  add: added,
  remove: removed,
  exactly: (names) => names,
  explain: (stored) =>
    stored.includes("default")
      ? `In force, with those of the default: ${[...inForce(stored)].sort().join(", ")}`
      : undefined
})
