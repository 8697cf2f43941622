/** Reads the identity of an image that does not run. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { readHead } from "./Head.ts"
import { readOnce } from "./ReservedReader.ts"
import { decode } from "./SettingsCodec.ts"

/** How often a read that overlaps a write is repeated. */
const attempts = 20

/**
 * Reads the identity of an image.
 *
 * @param path of the file
 * @returns 32 hexadecimal digits; `undefined` for another file, a damaged image, or one without an identity. Fails with
 *   `PlatformError` for a file that cannot be read
 */
export const identityOf = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  // Checked before it is opened: opening a FIFO would wait for a writer.
  const info = yield* fs.stat(path)
  if (info.type !== "File") return undefined
  const file = yield* fs.open(path)
  const size = Number(info.size)
  const readAt = Effect.fnUntraced(function*(position: number, length: number) {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - position)))
    for (let done = 0; done < bytes.length;) {
      const read = yield* file.read(bytes.subarray(done), { position: BigInt(position + done) })
      if (read === 0) return bytes.subarray(0, done)
      done += read
    }
    return bytes
  })
  const head = yield* readHead(readAt, size).pipe(Effect.catchTag("HeadError", () => Effect.succeed(undefined)))
  if (head === undefined) return undefined
  for (let attempt = 0; attempt < attempts; attempt++) {
    const read = yield* readOnce({ path, offset: head.offset, file }, ["extension"]).pipe(
      Effect.catchTag("ReservedSpaceError", () => Effect.succeed(new Map<"extension", Uint8Array>()))
    )
    const bytes = read?.get("extension")
    if (bytes !== undefined) return Result.getOrUndefined(decode("extension", bytes))?.identity
    if (read !== undefined) return undefined
    yield* Effect.yieldNow
  }
  return undefined
}, Effect.scoped)
