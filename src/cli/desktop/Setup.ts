/** Sets up the desktop integration, for `fim-desktop setup` and recipes: from a JSON document to the stored settings. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { isCategory, sortedCategories } from "../../desktop/Categories.ts"
import { DesktopError } from "../../desktop/DesktopError.ts"
import { IconConverter } from "../../desktop/IconConverter.ts"
import { IconSource } from "../../desktop/IconSource.ts"
import { nameProblem } from "../../desktop/Names.ts"
import { SetupDocument } from "../../desktop/SetupDocument.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Desktop } from "../../image/Settings.ts"
import { integrationNames } from "../../image/SettingsDefaults.ts"
import { CommandError } from "../config/CommandError.ts"

/** Bytes of a document. What can be stored is far smaller. */
const maxSize = 65_536

/** A key that is not known is a mistake, which would be lost otherwise. */
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(SetupDocument))

const context = "Could not set up the desktop integration"

/**
 * Reads and decodes the document at a path that the user has given.
 *
 * @param path of a JSON file
 * @returns the document; fails with `CommandError`
 */
export const readDocument = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const failed = (detail: string) =>
    new CommandError({ text: `Failed to open file '${path}' for desktop integration`, hint: detail, context })
  const info = yield* fs.stat(path).pipe(Effect.mapError((error) => failed(error.message)))
  if (info.type !== "File" || info.size > maxSize) {
    return yield* failed(`It is not a file of at most ${maxSize} bytes`)
  }
  const text = yield* fs.readFileString(path).pipe(Effect.mapError((error) => failed(error.message)))
  return yield* decode(text).pipe(
    Effect.mapError((error) =>
      new CommandError({
        text: "Failed to deserialize json",
        hint: error.message.replace(/\s+/g, " ").slice(0, 300),
        context
      })
    )
  )
})

/**
 * Checks the whole document, then stores name, categories and icon in the image.
 *
 * @param document what to set up
 * @param beside path of the file that contains the document: a relative icon path starts there
 * @returns the stored settings, without the icon
 */
export const storeDesktop = Effect.fnUntraced(function*(document: SetupDocument, beside: string) {
  const problem = nameProblem(document.name)
  if (problem !== undefined) return yield* new DesktopError({ reason: "Name", detail: problem })
  const unknown = document.categories.find((category) => !isCategory(category))
  if (unknown !== undefined) {
    return yield* new DesktopError({
      reason: "Category",
      detail: `'${unknown}' is not a registered category; your own categories begin with 'X-'`
    })
  }
  const actions = document.actions?.map(({ id }) => id) ?? []
  const twice = actions.find((id, index) => actions.indexOf(id) !== index)
  if (twice !== undefined) {
    return yield* new DesktopError({ reason: "Name", detail: `two actions have the id '${twice}'` })
  }
  const icon = yield* (yield* IconSource).read(document.icon, beside)
  yield* (yield* IconConverter).check(icon)
  const { icon: _, ...settings } = document
  const desktop: Desktop = {
    ...settings,
    categories: sortedCategories(document.categories),
    integrations: integrationNames.filter((name) => document.integrations?.includes(name))
  }
  yield* (yield* ReservedSpace).writeAll({ desktop, icon })
  return desktop
})
