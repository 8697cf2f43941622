/** Reads the picture that a set-up document names: a file or a URL. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { iconCapacity } from "../image/ReservedLayout.ts"
import type { Icon } from "../image/Settings.ts"
import { dirname } from "../relocate/Directories.ts"
import { Host } from "../relocate/Host.ts"
import { DesktopError } from "./DesktopError.ts"

/** Reads pictures from files and servers. */
export class IconSource extends Context.Service<IconSource, {
  /**
   * Reads a picture and checks only its size.
   *
   * @param location a path or an HTTP URL
   * @param beside path of the file that names it: a relative path is searched beside that file, then in the working
   *   directory
   * @returns the picture; fails with `DesktopError`
   */
  readonly read: (location: string, beside: string) => Effect.Effect<Icon, DesktopError>
}>()("flatimage/desktop/IconSource") {
  static readonly layer: Layer.Layer<IconSource, never, FileSystem.FileSystem | Host> = Layer.effect(
    IconSource,
    Effect.suspend(() => make())
  )
}

const isUrl = (location: string): boolean => /^https?:\/\//i.test(location)

/** The part of a path from the last dot of its last component. */
const extensionIn = (path: string): string => /\.[^./]*$/.exec(path)?.[0] ?? ""

const extensions: Readonly<Record<string, Icon["extension"]>> = {
  ".svg": "svg",
  ".png": "png",
  ".jpg": "jpg",
  ".jpeg": "jpg"
}

const extensionOf = Effect.fnUntraced(function*(location: string) {
  const path = isUrl(location) ? URL.parse(location)?.pathname ?? "" : location
  const word = extensionIn(path)
  const extension = extensions[word.toLowerCase()]
  if (extension !== undefined) return extension
  return yield* new DesktopError({ reason: "Icon", detail: `Icon extension '${word}' is not supported` })
})

const tooLarge = (bytes: number | bigint) =>
  new DesktopError({ reason: "Icon", detail: `File is too large, '${bytes}' bytes: at most ${iconCapacity} fit` })

const make = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const host = yield* Host

  const readFile = Effect.fnUntraced(function*(path: string) {
    const failed = (error: { readonly message: string }) =>
      new DesktopError({ reason: "Icon", detail: `Failed to read file '${path}': ${error.message}`, cause: error })
    const info = yield* fs.stat(path).pipe(
      Effect.mapError((error) =>
        error.reason._tag === "NotFound"
          ? new DesktopError({
            reason: "Icon",
            detail: `Could not get size of file '${path}': No such file or directory`
          })
          : failed(error)
      )
    )
    if (info.type !== "File") return yield* failed(new Error("it is not a file"))
    if (info.size > iconCapacity) return yield* tooLarge(BigInt(info.size))
    const data = yield* fs.readFile(path).pipe(Effect.mapError(failed))
    if (data.length > iconCapacity) return yield* tooLarge(data.length)
    return data
  })

  const find = Effect.fnUntraced(function*(location: string, beside: string) {
    if (location.startsWith("/")) return location
    const directory = host.directory ?? ""
    const first = `${dirname(beside.startsWith("/") ? beside : `${directory}/${beside}`)}/${location}`
    return (yield* Effect.orElseSucceed(fs.exists(first), () => false)) ? first : `${directory}/${location}`
  })

  return IconSource.of({
    read: Effect.fn("IconSource.read")(function*(location, beside) {
      const extension = yield* extensionOf(location)
      if (!isUrl(location)) return { extension, data: yield* readFile(yield* find(location, beside)) }
      yield* Effect.logInfo(`Icon is an URL: ${location}`)
      const { fetchBytes } = yield* Effect.promise(() => import("../Fetch.ts"))
      const data = yield* fetchBytes(location, { bytes: iconCapacity, time: "60 seconds", redirects: 5 }).pipe(
        Effect.mapError(({ message }) => new DesktopError({ reason: "Fetch", detail: message }))
      )
      yield* Effect.logInfo(`Successfully downloaded icon, '${data.length}' bytes`)
      return { extension, data }
    })
  })
})
