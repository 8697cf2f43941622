/** fim-perms and fim-unshare: a set of names, of which `all` stands for every one. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Fields } from "../../image/Settings.ts"
import { namespaceNames, permissionNames } from "../../image/SettingsDefaults.ts"
import { quoteList, trailingError, usageError } from "./CommandError.ts"
import { printJson, printLines } from "./Output.ts"
import { parseWords } from "./Words.ts"

interface NameSet<Field extends "permissions" | "unshare"> {
  readonly field: Field
  readonly command: string
  readonly operations: string
  readonly invalidOperation: string
  /** `permission` or `unshare option`. */
  readonly noun: string
  readonly names: ReadonlyArray<Fields[Field][number]>
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** The names of a comma list, or of all; nothing is trimmed. */
const parseNames = Effect.fnUntraced(function*<Field extends "permissions" | "unshare">(
  set: NameSet<Field>,
  list: string
) {
  const words = list.split(",").map((word) => word.toLowerCase())
  for (const word of words) {
    if (word === "none") return yield* usageError(`Invalid ${set.noun} 'NONE'`)
    if (word !== "all" && !set.names.some((name) => name === word)) {
      return yield* usageError(
        `Invalid ${set.noun}`,
        `'${word}' is none of ${quoteList(["all", ...[...set.names].sort()])}`
      )
    }
  }
  if (!words.includes("all")) return new Set(words)
  if (words.length > 1) return yield* usageError(`${capital(set.noun)} 'all' should not be used with others`)
  return new Set<string>(set.names)
})

const pick = <Field extends "permissions" | "unshare">(set: NameSet<Field>, isIn: (name: string) => boolean) =>
  set.names.filter(isIn) as ReadonlyArray<string> as Fields[Field]

const handler = <Field extends "permissions" | "unshare">(set: NameSet<Field>) =>
  Effect.fn(set.command)(function*(args: ReadonlyArray<string>) {
    const { json, operation, rest } = parseWords(args)
    const space = yield* ReservedSpace
    switch (operation) {
      case undefined:
        return yield* usageError(`Missing op for ${set.command} (${set.operations})`)
      case "LIST": {
        if (rest.length > 0) return yield* trailingError(set.command, rest)
        const names = [...(yield* space.read(set.field))].sort()
        return yield* json ? printJson(names) : printLines(names)
      }
      case "CLEAR":
        if (rest.length > 0) return yield* trailingError(set.command, rest)
        return yield* space.write(set.field, pick(set, () => false))
      case "ADD":
      case "DEL":
      case "SET": {
        const [list, ...trailing] = rest
        if (list === undefined) return yield* usageError(`No arguments for '${operation}' command`)
        const names = yield* parseNames(set, list)
        if (trailing.length > 0) return yield* trailingError(set.command, trailing)
        if (operation === "SET") return yield* space.write(set.field, pick(set, (name) => names.has(name)))
        yield* space.update(set.field, (current) => {
          const before: ReadonlySet<string> = new Set(current)
          return pick(
            set,
            (name) => operation === "ADD" ? before.has(name) || names.has(name) : before.has(name) && !names.has(name)
          )
        })
        return
      }
      default:
        return yield* usageError(set.invalidOperation)
    }
  })

export const perms = handler({
  field: "permissions",
  command: "fim-perms",
  operations: "add,del,list,set,clear",
  invalidOperation: "Invalid perms operation",
  noun: "permission",
  names: permissionNames
})

export const unshare = handler({
  field: "unshare",
  command: "fim-unshare",
  operations: "add,clear,del,list,set",
  invalidOperation: "Invalid unshare operation",
  noun: "unshare option",
  names: namespaceNames
})
