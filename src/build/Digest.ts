import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
// Effect's digests take all bytes at once; images have gigabytes.
// @effect-diagnostics-next-line nodeBuiltinImport:off
import { createHash } from "node:crypto"
import { atPath, buildError } from "./BuildError.ts"

const chunkSize = 1 << 20

/** SHA-256 of a file, in hexadecimal digits. Fails with `BuildError`. */
export const sha256OfFile = (fs: FileSystem.FileSystem, path: string) =>
  Effect.suspend(() => {
    const hash = createHash("sha256")
    return Stream.runForEach(fs.stream(path, { chunkSize }), (chunk) => Effect.sync(() => void hash.update(chunk)))
      .pipe(
        Effect.map(() => hash.digest("hex")),
        atPath(path)
      )
  })

/** Fails with `BuildError` unless the file has that SHA-256. */
export const verifyFile = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, path: string, expected: string) {
  const actual = yield* sha256OfFile(fs, path)
  if (actual !== expected) return yield* buildError("Tampered", { path, expected, actual })
})
