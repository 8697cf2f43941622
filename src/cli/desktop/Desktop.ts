/** fim-desktop: the image in menus, file managers and searches of the host. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { type DesktopError, filesError } from "../../desktop/DesktopError.ts"
import { DesktopImage } from "../../desktop/DesktopImage.ts"
import { entryText } from "../../desktop/Entry.ts"
import { IconConverter } from "../../desktop/IconConverter.ts"
import { IconSource } from "../../desktop/IconSource.ts"
import { DesktopIntegration } from "../../desktop/Integration.ts"
import { imageType } from "../../desktop/MimeType.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { integrationNames } from "../../image/SettingsDefaults.ts"
import { basename } from "../../relocate/Directories.ts"
import { CommandError } from "../config/CommandError.ts"
import { printJson, printLines } from "../config/Output.ts"
import { readDocument, storeDesktop } from "./Setup.ts"

type Integration = (typeof integrationNames)[number]

/** Nothing can be enabled, shown or removed before the image is set up. */
const notSetUp = new CommandError({
  text: "Empty json data",
  hint: "to set it up: fim-desktop setup <file.json>",
  context: "Could not read the desktop integration"
})

const refused = (error: DesktopError) =>
  new CommandError({ text: error.message, context: "Could not carry out the desktop integration", cause: error })

const services = Layer.mergeAll(DesktopIntegration.layer, IconConverter.layer, IconSource.layer)

/**
 * Provides the desktop services to an effect, for the image that the command is about. Converts `DesktopError` to
 * `CommandError`.
 */
const withDesktopServices = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E | DesktopError, R>) {
  const context = yield* Layer.build(services)
  return yield* effect.pipe(
    Effect.provideContext(context),
    Effect.catchIf(
      (error): error is Extract<E | DesktopError, DesktopError> =>
        typeof error === "object" && error !== null && "_tag" in error && error._tag === "DesktopError",
      (error) => Effect.fail(refused(error))
    )
  )
}, Effect.scoped)

const change = Effect.fnUntraced(function*(next: (current: ReadonlyArray<Integration>) => ReadonlyArray<Integration>) {
  const changed = yield* (yield* ReservedSpace).update(
    "desktop",
    (current) => current === undefined ? undefined : { ...current, integrations: next(current.integrations) }
  )
  if (changed === undefined) return yield* notSetUp
  yield* printLines(changed.integrations.length === 0 ? ["NONE"] : changed.integrations)
})

const settings = Effect.gen(function*() {
  return (yield* (yield* ReservedSpace).read("desktop")) ?? (yield* notSetUp)
})

interface Items {
  readonly items: ReadonlyArray<string>
}

const isAmong = (items: ReadonlyArray<string>) => (name: Integration) => items.includes(name.toLowerCase())

export const setup = Effect.fn("fim-desktop.setup")(({ file }: { readonly file: string }) =>
  withDesktopServices(Effect.gen(function*() {
    yield* printJson(yield* storeDesktop(yield* readDocument(file), file))
  }))
)

/** Enables integrations. They are stored in the order of their names. */
export const enable = Effect.fn("fim-desktop.enable")(({ items }: Items) =>
  change(() => integrationNames.filter(isAmong(items)))
)

export const disable = Effect.fn("fim-desktop.disable")(({ items }: Items) =>
  change((current) => current.filter((name) => !isAmong(items)(name)))
)

export const list = Effect.fn("fim-desktop.list")(function*({ json }: { readonly json: boolean }) {
  const { integrations } = yield* settings
  yield* json ? printJson(integrations) : printLines(integrations)
})

export const show = Effect.fn("fim-desktop.show")(function*() {
  yield* printJson(yield* settings)
})

/** Removes what the image has created on this desktop. Returns whether there was anything. */
export const remove = withDesktopServices(Effect.gen(function*() {
  return yield* (yield* DesktopIntegration).clean(yield* (yield* ReservedSpace).read("desktop"))
}))

export const clean = Effect.fn("fim-desktop.clean")(() =>
  withDesktopServices(Effect.gen(function*() {
    const desktop = yield* (yield* ReservedSpace).read("desktop")
    const done = yield* (yield* DesktopIntegration).clean(desktop)
    if (!done && desktop === undefined) return yield* notSetUp
    if (!done) yield* Effect.logInfo("There is nothing to remove: no start has integrated the image since")
  }))
)

/** What is known of the image on the desktop, its identity there, and its path. */
const identityAndPath = Effect.gen(function*() {
  const desktop = yield* settings
  const identity = yield* (yield* DesktopIntegration).identity(desktop)
  return { ...desktop, identity, image: (yield* DesktopImage).path }
})

export const dumpEntry = Effect.fn("fim-desktop.dump.entry")(() =>
  withDesktopServices(Effect.gen(function*() {
    yield* Console.log(entryText(yield* identityAndPath))
  }))
)

export const dumpMimetype = Effect.fn("fim-desktop.dump.mimetype")(() =>
  withDesktopServices(Effect.gen(function*() {
    const { identity, image } = yield* identityAndPath
    yield* Console.log(imageType(identity, basename(image)))
  }))
)

/** Writes the stored icon to a file. */
export const dumpIcon = Effect.fn("fim-desktop.dump.icon")(({ file }: { readonly file: string }) =>
  withDesktopServices(Effect.gen(function*() {
    const icon = yield* (yield* ReservedSpace).read("icon")
    if (icon === undefined) {
      return yield* new CommandError({ text: "Empty icon data", hint: notSetUp.hint ?? "", context: notSetUp.context })
    }
    const path = file.toLowerCase().endsWith(`.${icon.extension}`) ? file : `${file}.${icon.extension}`
    yield* (yield* FileSystem.FileSystem).writeFile(path, icon.data).pipe(Effect.mapError(filesError(path)))
  }))
)
