/** `fim-run`: options in front of a program, which count for this start. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { Changes } from "../../image/RunChanges.ts"
import type { Binding } from "../../image/Settings.ts"
import { type Permission, permissionNames } from "../../image/SettingsDefaults.ts"
import { guestGlobal } from "../../relocate/Directories.ts"
import { Host } from "../../relocate/Host.ts"
import * as Utf8 from "../../Utf8.ts"
import { run, type runOptions } from "../commands/Programs.ts"
import { quoteList, usageError } from "../config/CommandError.ts"
import type { Input } from "../grammar/Command.ts"
import { parse } from "../grammar/Parse.ts"
import { didYouMean } from "../grammar/Suggest.ts"
import type { ProgramRequest } from "../Request.ts"

type Options = Input<readonly [], typeof runOptions> & { readonly args: ReadonlyArray<string> }

const permissionsIn = Effect.fnUntraced(function*(lists: ReadonlyArray<string>, option: string) {
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
const absolute = (path: string, directory: string | undefined): string => {
  const parts: Array<string> = []
  for (const part of (path.startsWith("/") ? path : `${directory ?? ""}/${path}`).split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `/${parts.join("/")}`
}

const isBelow = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`)

/** Directories of the guest that a bind would break. */
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

const bindingOf = Effect.fnUntraced(function*(text: string) {
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

const variableOf = Effect.fnUntraced(function*(text: string) {
  const equals = text.indexOf("=")
  if (equals <= 0) return yield* usageError(`Invalid variable '${text}'`, "a variable is NAME=VALUE")
  return [text.slice(0, equals), text.slice(equals + 1)] as const
})

/**
 * The program that the words behind `fim-run` start, and what they change for it. Fails with a `CommandError` for words that are not
 * valid, and for what cannot be bound.
 *
 * @param bytes the words
 */
export const runRequest = Effect.fn("fim-run")(function*(bytes: ReadonlyArray<Uint8Array>) {
  const { directory } = yield* Host
  const { input } = yield* Effect.fromResult(parse(run, bytes.map(Utf8.decode)))
  const options = input as unknown as Options
  // Words of a program need not be text.
  const args = bytes.slice(bytes.length - options.args.length)
  const bindings = yield* Effect.forEach(options.bind, bindingOf)
  const here = options.pwd === undefined || options.pwd.startsWith("/") ? undefined : absolute(options.pwd, directory)
  if (here !== undefined) bindings.push(yield* bindingOf(here))
  const changes: Changes = {
    allow: yield* permissionsIn(options.allow, "--allow"),
    deny: yield* permissionsIn(options.deny, "--deny"),
    bindings,
    environment: Object.fromEntries(yield* Effect.forEach(options.env, variableOf)),
    directory: here ?? options.pwd
  }
  const request: ProgramRequest = args.length === 0 && !options.root
    ? { _tag: "Boot", args: [] }
    : { _tag: "Execute", root: options.root, args }
  return { changes, request }
})
