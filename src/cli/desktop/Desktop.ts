/** fim-desktop: the image in menus, file managers and searches of the host. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DesktopError } from "../../desktop/DesktopError.ts"
import { DesktopImage } from "../../desktop/DesktopImage.ts"
import { IconPress } from "../../desktop/IconPress.ts"
import { IconSource } from "../../desktop/IconSource.ts"
import { DesktopIntegration } from "../../desktop/Integration.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { integrationNames } from "../../image/SettingsDefaults.ts"
import { CommandError, quoteList, trailingError, usageError } from "../config/CommandError.ts"
import { printJson, printLines } from "../config/Output.ts"
import { parseWords } from "../config/Words.ts"
import { dump } from "./Dump.ts"
import { notSetUp } from "./NotSetUp.ts"
import { setup } from "./Setup.ts"

type Integration = (typeof integrationNames)[number]

const isKnown = (item: string): boolean => integrationNames.some((name) => name === item)

/** In the order of their names in the settings. */
const parseItems = Effect.fnUntraced(function*(operation: "enable" | "disable", words: ReadonlyArray<string>) {
  const [list, ...trailing] = words
  if (list === undefined || list === "") {
    const none = operation === "enable" ? ",none" : ""
    return yield* usageError(`Missing arguments for '${operation}' (entry,mimetype,icon${none})`)
  }
  const items = list.split(",").map((item) => item.toUpperCase())
  const unknown = items.find((item) => !isKnown(item) && !(item === "NONE" && operation === "enable"))
  if (unknown !== undefined) {
    return yield* usageError(
      "Invalid integration item",
      `'${unknown.toLowerCase()}' is none of ${quoteList(integrationNames.map((name) => name.toLowerCase()))}`
    )
  }
  if (items.includes("NONE") && items.length > 1) {
    return yield* usageError("'none' option should not be used with others")
  }
  if (trailing.length > 0) return yield* trailingError("fim-desktop", trailing)
  return integrationNames.filter((name) => items.includes(name))
})

const change = Effect.fnUntraced(function*(next: (current: ReadonlyArray<Integration>) => ReadonlyArray<Integration>) {
  const changed = yield* (yield* ReservedSpace).update(
    "desktop",
    (current) => current === undefined ? undefined : { ...current, integrations: next(current.integrations) }
  )
  if (changed === undefined) return yield* notSetUp
  yield* printLines(changed.integrations.length === 0 ? ["NONE"] : changed.integrations)
})

const clean = Effect.gen(function*() {
  const desktop = yield* (yield* ReservedSpace).read("desktop")
  const done = yield* (yield* DesktopIntegration).clean(desktop)
  if (!done && desktop === undefined) return yield* notSetUp
})

const operate = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const { json, operation, rest } = parseWords(args)
  switch (operation) {
    case undefined:
      return yield* usageError("Missing op for 'fim-desktop' (enable,setup,clean,dump)")
    case "SETUP": {
      const [file, ...trailing] = rest
      if (file === undefined || file === "") {
        return yield* usageError("Missing argument for 'setup' (/path/to/file.json)")
      }
      if (trailing.length > 0) return yield* trailingError("fim-desktop", trailing)
      return yield* setup(file)
    }
    case "ENABLE": {
      const items = yield* parseItems("enable", rest)
      return yield* change(() => items)
    }
    case "DISABLE": {
      const items = yield* parseItems("disable", rest)
      return yield* change((current) => current.filter((item) => !items.includes(item)))
    }
    case "DUMP":
      return yield* dump(rest)
    case "SHOW":
    case "GET":
    case "LIST": {
      if (rest.length > 0) return yield* trailingError("fim-desktop", rest)
      const desktop = yield* (yield* ReservedSpace).read("desktop")
      if (desktop === undefined) return yield* notSetUp
      if (operation !== "LIST") return yield* printJson(desktop)
      return yield* json ? printJson(desktop.integrations) : printLines(desktop.integrations)
    }
    case "CLEAN":
      if (rest.length > 0) return yield* trailingError("fim-desktop", rest)
      return yield* clean
    default:
      return yield* usageError("Invalid desktop operation")
  }
})

const refused = (error: DesktopError) =>
  new CommandError({ text: error.message, context: "Could not carry out the desktop integration" })

/** The command. In: the words behind its name, and the image that they are about. */
export const desktop = Effect.fn("fim-desktop")(function*(
  args: ReadonlyArray<string>,
  image: DesktopImage["Service"]
) {
  const context = yield* Layer.build(
    Layer.mergeAll(DesktopIntegration.layer, IconPress.layer, IconSource.layer).pipe(
      Layer.provideMerge(Layer.succeed(DesktopImage, image))
    )
  )
  yield* operate(args).pipe(
    Effect.provideContext(context),
    Effect.catchTag("DesktopError", (error) => Effect.fail(refused(error)))
  )
}, Effect.scoped)
