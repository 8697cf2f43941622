/** `fim-desktop dump`: what the desktop is given, to be looked at. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { filesError } from "../../desktop/DesktopError.ts"
import { DesktopImage } from "../../desktop/DesktopImage.ts"
import { entryText } from "../../desktop/Entry.ts"
import { DesktopIntegration } from "../../desktop/Integration.ts"
import { imageType } from "../../desktop/MimeType.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { basename } from "../../relocate/Directories.ts"
import { CommandError, trailingError, usageError } from "../config/CommandError.ts"
import { notSetUp } from "./NotSetUp.ts"

const dumpIcon = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  const [target, ...trailing] = words
  if (target === undefined || target === "") return yield* usageError("Missing argument for 'icon' /path/to/dump/file")
  if (trailing.length > 0) return yield* trailingError("fim-desktop", trailing)
  const icon = yield* (yield* ReservedSpace).read("icon")
  if (icon === undefined) {
    return yield* new CommandError({ text: "Empty icon data", hint: notSetUp.hint ?? "", context: notSetUp.context })
  }
  const path = target.toLowerCase().endsWith(`.${icon.extension}`) ? target : `${target}.${icon.extension}`
  yield* (yield* FileSystem.FileSystem).writeFile(path, icon.data).pipe(Effect.mapError(filesError(path)))
})

/** In: the words behind `dump`. Texts go to standard output as their files have them, the icon as it is to a file. */
export const dump = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  const [word, ...rest] = words
  if (word === undefined) return yield* usageError("Missing arguments for 'dump' (entry,mimetype,icon)")
  const item = word.toLowerCase()
  if (item === "icon") return yield* dumpIcon(rest)
  if (item !== "entry" && item !== "mimetype") return yield* usageError("Invalid dump operation")
  if (rest.length > 0) return yield* trailingError("fim-desktop", rest)
  const desktop = yield* (yield* ReservedSpace).read("desktop")
  if (desktop === undefined) return yield* notSetUp
  const identity = yield* (yield* DesktopIntegration).identity(desktop)
  const { path: image } = yield* DesktopImage
  yield* Console.log(
    item === "entry"
      ? entryText({ identity, image, categories: desktop.categories })
      : imageType(identity, basename(image))
  )
})
