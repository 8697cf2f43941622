/** What `fim-desktop setup` and recipes set up: from a JSON file of the user's to what an image stores. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { isCategory, sortedCategories } from "../../desktop/Categories.ts"
import { DesktopError } from "../../desktop/DesktopError.ts"
import { IconPress } from "../../desktop/IconPress.ts"
import { IconSource } from "../../desktop/IconSource.ts"
import { nameProblem } from "../../desktop/Names.ts"
import { SetupDocument } from "../../desktop/SetupDocument.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Desktop } from "../../image/Settings.ts"
import { integrationNames } from "../../image/SettingsDefaults.ts"
import { CommandError } from "../config/CommandError.ts"

/** What can be stored is far smaller. */
const largest = 65_536

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(SetupDocument))

const context = "Could not set up the desktop integration"

/** The document at a path that a user gives. */
export const readDocument = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const failed = (detail: string) =>
    new CommandError({ text: `Failed to open file '${path}' for desktop integration`, hint: detail, context })
  const info = yield* fs.stat(path).pipe(Effect.mapError((error) => failed(error.message)))
  if (info.type !== "File" || info.size > largest) {
    return yield* failed(`It is not a file of at most ${largest} bytes`)
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
 * Checks everything, then stores name, categories and icon in the image. In: what is to be set up, and the path of the file
 * that says it. The answer is what is stored, without the icon.
 */
export const storeDesktop = Effect.fnUntraced(function*(document: SetupDocument, beside: string) {
  const problem = nameProblem(document.name)
  if (problem !== undefined) return yield* new DesktopError({ reason: "Name", detail: problem })
  const unknown = document.categories.find((category) => !isCategory(category))
  if (unknown !== undefined) {
    return yield* new DesktopError({
      reason: "Category",
      detail: `'${unknown}' is no registered category; categories of your own begin with 'X-'`
    })
  }
  const icon = yield* (yield* IconSource).read(document.icon, beside)
  yield* (yield* IconPress).check(icon)
  const desktop: Desktop = {
    name: document.name,
    categories: sortedCategories(document.categories),
    integrations: integrationNames.filter((name) => document.integrations?.includes(name))
  }
  yield* (yield* ReservedSpace).writeAll({ desktop, icon })
  return desktop
})
