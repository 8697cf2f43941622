/** From the name of a configuration command to what it does. Each command is loaded when it is called. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { ReservedSpaceError } from "../../image/ReservedSpaceError.ts"
import type { Host } from "../../relocate/Host.ts"
import type { BuildInfo } from "./BuildInfo.ts"
import type { CommandError } from "./CommandError.ts"
import { parseWords } from "./Words.ts"

export type Handler = (
  args: ReadonlyArray<string>
) => Effect.Effect<void, CommandError | ReservedSpaceError, ReservedSpace | Host | BuildInfo>

const handlers = {
  "fim-perms": () => import("./NameSet.ts").then((module): Handler => module.perms),
  "fim-env": () => import("./Env.ts").then((module): Handler => module.env),
  "fim-boot": () => import("./Boot.ts").then((module): Handler => module.boot),
  "fim-bind": () => import("./Bind.ts").then((module): Handler => module.bind),
  "fim-overlay": () => import("./Overlay.ts").then((module): Handler => module.overlay),
  "fim-casefold": () => import("./Switch.ts").then((module): Handler => module.casefold),
  "fim-notify": () => import("./Switch.ts").then((module): Handler => module.notify),
  "fim-unshare": () => import("./NameSet.ts").then((module): Handler => module.unshare),
  "fim-portal": () => import("./Portal.ts").then((module): Handler => module.portal),
  "fim-remote": () => import("./Remote.ts").then((module): Handler => module.remote),
  "fim-version": () => import("./Version.ts").then((module): Handler => module.version),
  "fim-help": () => import("./Help.ts").then((module): Handler => module.help)
}

export type ConfigCommandName = keyof typeof handlers

export const configCommandNames = Object.keys(handlers) as ReadonlyArray<ConfigCommandName>

export const isConfigCommand = (word: string): word is ConfigCommandName => Object.hasOwn(handlers, word)

/** The command itself, with its words as they were typed. */
export const runHandler = Effect.fnUntraced(function*(name: ConfigCommandName, args: ReadonlyArray<string>) {
  const handler = yield* Effect.promise(handlers[name])
  yield* handler(args)
})

const reading: ReadonlySet<string | undefined> = new Set(["LIST", "SHOW", "GET", "SHORT", "FULL", "DEPS"])

const asksForHelp = (args: ReadonlyArray<string>): boolean =>
  args.slice(0, args.includes("--") ? args.indexOf("--") : 2).slice(0, 2).some((word) =>
    word === "--help" || word === "-h"
  )

/** `--help` of any `fim-` command, also of those that live elsewhere. `false` when the words do not ask for it. */
export const showHelp = Effect.fnUntraced(function*(name: string, args: ReadonlyArray<string>) {
  if (!asksForHelp(args)) return false
  const { findTopic } = yield* Effect.promise(() => import("./HelpTopics.ts"))
  const { helpText } = yield* Effect.promise(() => import("./Help.ts"))
  const topic = findTopic(name)
  if (topic === undefined) return false
  yield* Console.log(helpText(topic))
  return true
})

/**
 * A configuration command of an image, if it only prints; the answer says whether it was one. Such a command goes straight
 * to its handler: the parser costs as much time to load as all the rest.
 */
export const runReading = Effect.fn("runReading")(function*(name: ConfigCommandName, args: ReadonlyArray<string>) {
  if (yield* showHelp(name, args)) return true
  if (name !== "fim-help" && !reading.has(parseWords(args).operation)) return false
  yield* runHandler(name, args)
  return true
})

/** A configuration command of an image that changes something. */
export const runChanging = Effect.fn("runChanging")(function*(name: ConfigCommandName, args: ReadonlyArray<string>) {
  const { runCommand } = yield* Effect.promise(() => import("./Commands.ts"))
  yield* runCommand(name, args)
})
