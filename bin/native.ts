/** What an image needs of `src/platform`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import { createHash } from "node:crypto"
import { NativeBytes, type Shape } from "../src/platform/NativeBytes.ts"
import { Posix } from "../src/platform/Posix.ts"

/** For pure functions, which take it as an argument. */
export const nativeBytes: Shape = {
  equal: (left, right) => Buffer.compare(left, right) === 0,
  hasher: (algorithm) => {
    const hash = createHash(algorithm)
    return { update: (bytes) => void hash.update(bytes), digest: () => new Uint8Array(hash.digest()) }
  }
}

const posix = Posix.of({
  rmdir: (path) =>
    // Only desktop integration needs it.
    Effect.promise(() => import("node:fs/promises")).pipe(
      Effect.flatMap(({ rmdir }) =>
        Effect.tryPromise({
          try: () => rmdir(path),
          catch: (cause) =>
            PlatformError.systemError({
              _tag: "Unknown",
              module: "Posix",
              method: "rmdir",
              pathOrDescriptor: path,
              cause
            })
        })
      )
    )
})

export const layer = Layer.mergeAll(Layer.succeed(NativeBytes, nativeBytes), Layer.succeed(Posix, posix))
