import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import type { Shape as Native } from "../platform/NativeBytes.ts"
import { atPath, buildError } from "./BuildError.ts"

const chunkSize = 1 << 20

/** SHA-256 of a file, in hexadecimal digits. Fails with `BuildError`. */
export const sha256OfFile = (fs: FileSystem.FileSystem, native: Native, path: string) =>
  Effect.suspend(() => {
    const hash = native.hasher("sha256")
    return Stream.runForEach(fs.stream(path, { chunkSize }), (chunk) => Effect.sync(() => hash.update(chunk)))
      .pipe(
        Effect.map(() => Hex.encode(hash.digest())),
        atPath(path)
      )
  })

/** Fails with `BuildError` unless the file has this SHA-256. */
export const verifyFile = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  native: Native,
  path: string,
  expected: string
) {
  const actual = yield* sha256OfFile(fs, native, path)
  if (actual !== expected) return yield* buildError("Tampered", { path, expected, actual })
})
