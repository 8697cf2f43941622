import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import { Compression } from "../platform/Compression.ts"
import { NativeBytes } from "../platform/NativeBytes.ts"
import type { Tool } from "./Manifest.ts"
import { splitFrames } from "./ZstdFrames.ts"

/**
 * Unpacks a tool and compares it with its entry in the tool table. Never unpacks more than the size in the table.
 *
 * @param blob the compressed tool, without the size field
 * @param tool its entry
 * @returns the problem; `undefined` if there is none
 */
export const inspectTool = (
  blob: Uint8Array,
  tool: Tool
): Effect.Effect<string | undefined, never, Compression | NativeBytes> =>
  Effect.gen(function*() {
    const { unzstd } = yield* Compression
    const hash = (yield* NativeBytes).hasher("sha256")
    let size = 0
    const frames = tool.encoding === "raw" ? Result.succeed([blob]) : splitFrames(blob)
    if (Result.isFailure(frames)) return frames.failure
    for (const frame of frames.success) {
      // One excess byte is enough to detect it.
      const bytes = tool.encoding === "raw" ? frame : yield* unzstd(frame, tool.size - size + 1).pipe(
        Effect.orElseSucceed(() => undefined)
      )
      if (bytes === undefined) return "cannot be unpacked, or has more bytes than the tool table says"
      size += bytes.length
      if (size > tool.size) return `has more than the ${tool.size} bytes that the tool table says`
      hash.update(bytes)
    }
    if (size !== tool.size) return `has ${size} bytes, not ${tool.size} as the tool table says`
    return Hex.encode(hash.digest()) === tool.sha256 ? undefined : "does not have the SHA-256 that the tool table says"
  })
