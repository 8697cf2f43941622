import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { Compression } from "../platform/Compression.ts"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { markUsed } from "./CacheAge.ts"
import type { Report } from "./Progress.ts"
import { replaceFile } from "./Replace.ts"
import { Workspace } from "./Workspace.ts"

/**
 * Bytes per zstd frame. Frames are independent: a new boot program shares all but the last frame with the one before, so
 * only that frame is compressed again. A launcher can unpack several frames at a time. This costs 1 % of size.
 */
export const frameSize = 32 << 20

/** A compressed file for an image. Sizes in bytes. */
export interface Blob {
  readonly sha256: string
  readonly size: number
  /** Files in the cache whose concatenation is the zstd data. */
  readonly frames: ReadonlyArray<string>
  readonly packedSize: number
}

/** The window is a whole frame: a repetition anywhere in it is stored once. Unpacking takes as much memory. */
const windowLog = Math.log2(frameSize)

/** Compresses files. Results are cached by content. */
export class Blobs extends Context.Service<Blobs, {
  /** Compresses a file. Calls `report` with the bytes done. Fails with `BuildError`. */
  readonly pack: (path: string, level: number, report: Report) => Effect.Effect<Blob, BuildError>
}>()("flatimage/builder/Blobs") {
  static readonly layer = Layer.effect(
    Blobs,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const { zstd } = yield* Compression
      const workspace = yield* Workspace

      const packFrame = Effect.fnUntraced(function*(directory: string, frame: Uint8Array, level: number) {
        const path = `${directory}/${sha256(native, frame)}.${level}-${windowLog}.zst`
        const cached = yield* fs.stat(path).pipe(
          Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed(undefined)),
          atPath(path)
        )
        if (cached !== undefined) {
          yield* markUsed(fs, path)
          return { path, size: Number(cached.size) }
        }
        const packed = yield* zstd(frame, { level, windowLog }).pipe(
          Effect.mapError((error) => buildError("Refused", { detail: `zstd failed: ${error.message}` }, error))
        )
        yield* replaceFile(fs, path, packed)
        return { path, size: packed.length }
      })

      const pack = Effect.fn("Blobs.pack")(function*(path: string, level: number, report: Report) {
        const directory = yield* workspace.directory("cache", "blobs")
        const bytes = yield* fs.readFile(path).pipe(atPath(path))
        const starts = Array.from({ length: Math.max(1, Math.ceil(bytes.length / frameSize)) }, (_, i) => i * frameSize)
        let done = 0
        const frames = yield* Effect.forEach(starts, (start) => {
          const frame = bytes.subarray(start, start + frameSize)
          return Effect.tap(packFrame(directory, frame, level), () => {
            done += frame.length
            return report(done, bytes.length)
          })
        }, { concurrency: 2 })
        return {
          sha256: sha256(native, bytes),
          size: bytes.length,
          frames: frames.map((frame) => frame.path),
          packedSize: frames.reduce((sum, frame) => sum + frame.size, 0)
        }
      })

      return Blobs.of({ pack })
    })
  )
}
