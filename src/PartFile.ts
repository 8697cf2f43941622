/**
 * Files that are replaced atomically. They are written beside the target, under an unpredictable new name: in a
 * directory that others may write to, a planted link is not followed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as ByteString from "./ByteString.ts"
import { drawHex } from "./RandomName.ts"
import { basename, dirname } from "./relocate/Directories.ts"
import * as Utf8 from "./Utf8.ts"

/** What ends the names of such files, to find those that a killed process has left. */
const partSuffix = ".part"

/** A new name beside a path. */
export const partOf = (path: string): Effect.Effect<string> =>
  Effect.map(drawHex(8), (random) => {
    const directory = path.includes("/") ? dirname(path) : "."
    // A name has 255 bytes at most.
    const name = ByteString.ofBytes(Utf8.encode(basename(path)).subarray(-100)).replaceAll(/[^!-~]/g, "_")
    return `${directory}/.${name}.${random}${partSuffix}`
  })

/**
 * Writes a new temporary file and gives it its name. Leaves nothing else behind.
 *
 * @param path of the file
 * @param content text or bytes
 * @param mode permissions
 * @param place gives the name `path` to the temporary file; by default it replaces any other
 */
export const replaceWith = Effect.fnUntraced(function*(
  path: string,
  content: string | Uint8Array,
  mode: number,
  place?: (part: string) => Effect.Effect<void, PlatformError>
) {
  const fs = yield* FileSystem.FileSystem
  const part = yield* partOf(path)
  const bytes = typeof content === "string" ? Utf8.encode(content) : content
  yield* fs.writeFile(part, bytes, { flag: "wx", mode }).pipe(
    Effect.andThen(place === undefined ? fs.rename(part, path) : place(part)),
    Effect.ensuring(Effect.ignore(fs.remove(part, { force: true })))
  )
})
