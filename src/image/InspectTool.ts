import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
// Effect's digests take all bytes at once.
// @effect-diagnostics-next-line nodeBuiltinImport:off
import { createHash } from "node:crypto"
import { promisify } from "node:util"
import { zstdDecompress } from "node:zlib"
import type { Tool } from "./Manifest.ts"
import { splitFrames } from "./ZstdFrames.ts"

const decompress = promisify(zstdDecompress)

/**
 * Unpacks a tool and compares it with its entry in the tool table. In: its blob without the size. Gives what is wrong,
 * `undefined` when nothing is. Never unpacks more than the size in the table.
 */
export const inspectTool = (blob: Uint8Array, tool: Tool): Effect.Effect<string | undefined> =>
  Effect.gen(function*() {
    const hash = createHash("sha256")
    let size = 0
    const frames = tool.encoding === "raw" ? Result.succeed([blob]) : splitFrames(blob)
    if (Result.isFailure(frames)) return frames.failure
    for (const frame of frames.success) {
      // The bound must not be zero; one byte too many is enough to tell.
      const bytes = tool.encoding === "raw" ? frame : yield* Effect.tryPromise({
        try: () => decompress(frame, { maxOutputLength: tool.size - size + 1 }),
        catch: () => undefined
      }).pipe(Effect.orElseSucceed(() => undefined))
      if (bytes === undefined) return "cannot be unpacked, or has more bytes than the tool table says"
      size += bytes.length
      if (size > tool.size) return `has more than the ${tool.size} bytes that the tool table says`
      hash.update(bytes)
    }
    if (size !== tool.size) return `has ${size} bytes, not ${tool.size} as the tool table says`
    return hash.digest("hex") === tool.sha256 ? undefined : "does not have the SHA-256 that the tool table says"
  })
