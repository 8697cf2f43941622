/**
 * Splits the files of apk: consecutive gzip streams, each with a part of a tar archive. The first stream has signatures of
 * the second. In a package the second contains the SHA-256 of the third; in an index the second is the index itself.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Tar from "effect/encoding/Tar"
import * as Stream from "effect/Stream"
import { Compression } from "../../platform/Compression.ts"
import { digest, type Shape as Native } from "../../platform/NativeBytes.ts"
import { RsaSignatures, type SignedDigest } from "../../platform/RsaSignatures.ts"
import { type BuildError, buildError } from "../BuildError.ts"

/** Limit of an inflated stream, in bytes. An index of all packages has 10 MB. */
const maxInflated = 256 << 20

const maxMembers = 4096

const deflated = 8
const [hasText, hasChecksum, hasExtra, hasName, hasComment] = [1, 2, 4, 8, 16]

const strange = (path: string, detail: string) => buildError("Untrusted", { path, detail })

/** Size of the header of the gzip stream at `start` in bytes; `undefined` if there is no gzip stream. */
const headerLength = (bytes: Uint8Array, start: number): number | undefined => {
  const flags = bytes[start + 3] ?? 0
  if (bytes[start] !== 0x1f || bytes[start + 1] !== 0x8b || bytes[start + 2] !== deflated) return undefined
  if ((flags & ~(hasText | hasChecksum | hasExtra | hasName | hasComment)) !== 0) return undefined
  let at = start + 10
  if ((flags & hasExtra) !== 0) at += 2 + (bytes[at] ?? 0) + ((bytes[at + 1] ?? 0) << 8)
  for (const flag of [hasName, hasComment]) {
    if ((flags & flag) === 0) continue
    const end = bytes.indexOf(0, at)
    if (end < 0) return undefined
    at = end + 1
  }
  if ((flags & hasChecksum) !== 0) at += 2
  return at > bytes.length ? undefined : at - start
}

/** A gzip stream: its place in the file, and its content. */
export interface Segment {
  readonly start: number
  readonly end: number
  readonly inflated: Uint8Array
}

/**
 * Reads the gzip stream that begins at `start`. Fails with `BuildError` if it is not valid or inflates beyond the limit.
 */
export const readSegment = Effect.fnUntraced(function*(
  path: string,
  bytes: Uint8Array,
  start: number
): Effect.fn.Return<Segment, BuildError, Compression> {
  const { inflateRaw } = yield* Compression
  const header = headerLength(bytes, start)
  if (header === undefined) return yield* strange(path, `there is no gzip stream at its byte ${start}`)
  const { consumed, content } = yield* inflateRaw(bytes.subarray(start + header), maxInflated).pipe(
    Effect.mapError(() => strange(path, `the gzip stream at its byte ${start} is damaged or too large`))
  )
  // CRC and length follow the stream.
  const end = start + header + consumed + 8
  if (end > bytes.length) return yield* strange(path, "it is cut short")
  return { start, end, inflated: content }
})

/** The regular files in a part of a tar archive, by name. The end marker of the archive may be missing. */
export const readMembers = Effect.fnUntraced(function*(path: string, tar: Uint8Array) {
  const found = new Map<string, Uint8Array>()
  yield* Stream.make(tar, new Uint8Array(1024)).pipe(
    Stream.pipeThroughChannel(Tar.decode()),
    Stream.runForEach((entry) =>
      Effect.gen(function*() {
        const content = Bytes.concat(yield* Stream.runCollect(entry.body))
        if (entry.header.type !== "File") return
        if (found.size >= maxMembers || found.has(entry.header.path)) {
          return yield* strange(
            path,
            `it has ${found.has(entry.header.path) ? "two files of one name" : "too many files"}`
          )
        }
        found.set(entry.header.path, content)
      })
    ),
    Effect.mapError((error) =>
      error._tag === "BuildError" ? error : strange(path, `a part is no tar archive (${error.message})`)
    )
  )
  return found
})

/** Public keys in PEM, by the names that signatures use. */
export type Keys = ReadonlyMap<string, string>

const digests: Readonly<Record<string, SignedDigest>> = { RSA: "sha1", RSA256: "sha256", RSA512: "sha512" }

const signatureName = /^\.SIGN\.(RSA|RSA256|RSA512)\.([^/]+)$/

/**
 * Fails with `BuildError` unless a known key made one of the signatures of `signed`.
 *
 * @param signatures the files of the first stream
 */
export const checkSignature = Effect.fnUntraced(function*(
  path: string,
  signatures: ReadonlyMap<string, Uint8Array>,
  signed: Uint8Array,
  keys: Keys
): Effect.fn.Return<void, BuildError, RsaSignatures> {
  const { verify } = yield* RsaSignatures
  const names: Array<string> = []
  for (const [name, signature] of signatures) {
    const [, algorithm = "", keyName = ""] = signatureName.exec(name) ?? []
    const digest = digests[algorithm]
    if (digest === undefined) continue
    names.push(keyName)
    const key = keys.get(keyName)
    if (key === undefined) continue
    if (yield* verify(key, digest, signed, signature)) return
    return yield* strange(path, `its signature by ${keyName} is wrong`)
  }
  return yield* strange(
    path,
    names.length === 0 ? "it is not signed" : `it is signed by ${names.join(", ")}, of which there is no key`
  )
})

/** The checksum in the field `C` of an index: `Q1` and the SHA-1 of a package's second stream, in base 64. */
export const checksumOf = (native: Native, bytes: Uint8Array): string =>
  `Q1${Base64.encode(digest(native, "sha1", bytes))}`
