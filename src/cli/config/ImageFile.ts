/** Reads from an image what is needed to configure it without running it. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { type HeadError, readHead } from "../../image/Head.ts"
import * as Manifest from "../../image/Manifest.ts"
import { viewOf } from "../../View.ts"
import { CommandError } from "./CommandError.ts"

const notAnImage = (path: string, detail: string) =>
  new CommandError({ text: `'${path}' is not an image of flatimage: ${detail}`, context: "Could not open the image" })

/**
 * Reads the reserved offset and the tool table of an image.
 *
 * @returns both; fails with `CommandError` for any other file
 */
export const openImage = Effect.fn("openImage")(
  function*(path: string) {
    const fs = yield* FileSystem.FileSystem
    const file = yield* fs.open(path)
    const size = Number((yield* file.stat).size)
    const readAt = Effect.fnUntraced(function*(position: number, length: number) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - position)))
      for (let done = 0; done < bytes.length;) {
        const read = yield* file.read(bytes.subarray(done), { position: BigInt(position + done) })
        if (read === 0) return bytes.subarray(0, done)
        done += read
      }
      return bytes
    })
    const refuse = (error: { readonly message: string }) => notAnImage(path, error.message)
    const { end, offset } = yield* readHead(readAt, size).pipe(
      Effect.catchTag("HeadError", (error: HeadError) => Effect.fail(refuse(error)))
    )
    const tableSize = viewOf(yield* readAt(end, 8)).getBigUint64(0, true)
    if (tableSize > BigInt(Manifest.maxTableSize)) return yield* notAnImage(path, "its tool table is too large")
    const table = yield* Effect.fromResult(
      Result.mapError(Manifest.decode(yield* readAt(end + 8, Number(tableSize))), refuse)
    )
    return { offset, table }
  },
  Effect.scoped,
  (self, path) =>
    Effect.catchTag(self, "PlatformError", (error) =>
      Effect.fail(
        new CommandError({
          text: `Failed to open file '${path}': ${error.message}`,
          context: "Could not open the image"
        })
      ))
)
