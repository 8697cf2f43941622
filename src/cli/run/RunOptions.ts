/** The values of options that `fim-run` and `fim-override` share: permissions, binds and variables. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { Binding } from "../../image/Settings.ts"
import { type Permission, permissionNames } from "../../image/SettingsDefaults.ts"
import { guestGlobal } from "../../relocate/Directories.ts"
import { Host } from "../../relocate/Host.ts"
import { quoteList, usageError } from "../config/CommandError.ts"
import { didYouMean } from "../grammar/Suggest.ts"

/**
 * The permissions that the values of an option name, or `all`.
 *
 * @param lists names with commas between them, one list for each time that the option is given
 * @param option its name, for the error
 */
export const permissionsIn = Effect.fnUntraced(function*(lists: ReadonlyArray<string>, option: string) {
  const names = lists.flatMap((list) => list.toLowerCase().split(","))
  if (names.includes("all")) return permissionNames
  const known: ReadonlyArray<string> = permissionNames
  const wrong = names.find((name) => !known.includes(name))
  if (wrong === undefined) return names as ReadonlyArray<Permission>
  return yield* usageError(
    `Invalid permission '${wrong}' of ${option}`,
    `'${wrong}' is not one of ${quoteList(["all", ...[...permissionNames].sort()])}`,
    didYouMean(wrong, permissionNames)
  )
})

/** An absolute path without `.` and `..`, as text alone: links are resolved when it is bound. */
export const absolute = (path: string, directory: string | undefined): string => {
  const parts: Array<string> = []
  for (const part of (path.startsWith("/") ? path : `${directory ?? ""}/${path}`).split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `/${parts.join("/")}`
}

const isBelow = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`)

/** Directories of the guest that belong to the sandbox. */
const kept = ["/proc", "/dev", guestGlobal]

const refuseDestination = (path: string) => {
  const taken = kept.find((directory) => isBelow(path, directory))
  if (path !== "/" && taken === undefined) return Effect.void
  return Effect.fail(
    usageError(
      `Nothing can be bound to '${path}' of the guest`,
      `it needs ${path === "/" ? "its own root" : `'${taken}'`}; choose another destination: --bind SOURCE:DESTINATION`
    )
  )
}

/** Parses `SOURCE[:DESTINATION][:ro]`. Fails with `CommandError` if the source does not exist or the destination belongs to the sandbox. */
export const bindingOf = Effect.fnUntraced(function*(text: string) {
  const fs = yield* FileSystem.FileSystem
  const { directory, environment } = yield* Host
  const isReadOnly = text.endsWith(":ro")
  const [source = "", destination, ...more] = text.replace(/:r[ow]$/, "").split(":")
  if (source === "" || destination === "" || more.length > 0) {
    return yield* usageError(
      `Invalid bind '${text}'`,
      "a bind is SOURCE[:DESTINATION][:ro], and no path has a colon in it"
    )
  }
  // A shell leaves it behind `--bind=`.
  const home = environment["HOME"]
  const src = absolute(source.startsWith("~/") && home !== undefined ? `${home}/${source.slice(2)}` : source, directory)
  const found = yield* fs.stat(src).pipe(Effect.option)
  if (found._tag === "None") {
    return yield* usageError(`Cannot bind '${src}': there is no such file, or you may not see it`)
  }
  const dst = destination === undefined ? src : absolute(destination, "")
  if (destination?.startsWith("/") === false) {
    return yield* usageError(
      `Invalid bind '${text}'`,
      `the destination is a path of the guest: --bind ${source}:/${destination}`
    )
  }
  yield* refuseDestination(dst)
  return { src, dst, type: isReadOnly ? "ro" : "rw" } satisfies Binding
})

/** Parses `NAME=VALUE`. */
export const variableOf = Effect.fnUntraced(function*(text: string) {
  const equals = text.indexOf("=")
  if (equals <= 0) return yield* usageError(`Invalid variable '${text}'`, "a variable is NAME=VALUE")
  return [text.slice(0, equals), text.slice(equals + 1)] as const
})
