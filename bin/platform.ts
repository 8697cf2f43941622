/**
 * The services of `src/platform` on Node, for programs that use flatimage on it: everything that Effect's own services, which
 * `@effect/platform-node` provides, do not have.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { promisify } from "node:util"
import { Compression, CompressionError } from "../src/platform/Compression.ts"
import { RsaSignatures } from "../src/platform/RsaSignatures.ts"
import * as Native from "./native.ts"

// Loaded when it is used: most programs that embed flatimage do not build images.
const zlib = Effect.promise(() => import("node:zlib"))
const crypto = Effect.promise(() => import("node:crypto"))

const compressionError = (cause: unknown) => new CompressionError({ detail: String(cause) })

const compression = Compression.of({
  zstd: (bytes, { level, windowLog }) =>
    Effect.flatMap(zlib, ({ constants, zstdCompress }) =>
      Effect.tryPromise({
        try: () =>
          promisify(zstdCompress)(bytes, {
            params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_windowLog]: windowLog },
            pledgedSrcSize: bytes.length
          }),
        catch: compressionError
      })),
  unzstd: (frame, limit) =>
    Effect.flatMap(zlib, ({ zstdDecompress }) =>
      Effect.tryPromise({
        // Node takes no limit of 0.
        try: () => promisify(zstdDecompress)(frame, { maxOutputLength: Math.max(1, limit) }),
        catch: compressionError
      })).pipe(
        Effect.filterOrFail((bytes) => bytes.length <= limit, () => compressionError("there are more bytes in it"))
      ),
  inflateRaw: (bytes, limit) =>
    Effect.flatMap(zlib, ({ inflateRawSync }) =>
      Effect.try({
        try: () => {
          // With `info` the types do not say what comes back.
          const { buffer, engine } = inflateRawSync(bytes, { info: true, maxOutputLength: limit }) as unknown as {
            readonly buffer: Uint8Array
            readonly engine: { readonly bytesWritten: number }
          }
          return { content: buffer, consumed: engine.bytesWritten }
        },
        catch: compressionError
      }))
})

const signatures = RsaSignatures.of({
  isPublicKey: (pem) =>
    Effect.flatMap(
      crypto,
      ({ createPublicKey }) =>
        Effect.try(() => createPublicKey(pem).asymmetricKeyType === "rsa").pipe(Effect.orElseSucceed(() => false))
    ),
  verify: (pem, digest, signed, signature) =>
    Effect.flatMap(
      crypto,
      ({ verify }) => Effect.sync(() => verify(`RSA-${digest.toUpperCase()}`, signed, pem, signature))
    )
})

/** All of them. */
export const layer = Layer.mergeAll(
  Native.layer,
  Layer.succeed(Compression, compression),
  Layer.succeed(RsaSignatures, signatures)
)
