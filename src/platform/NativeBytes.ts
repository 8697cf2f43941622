/**
 * Operations on many bytes that every platform has as native code. A loop over bytes takes 70 ms for a MiB in the engine of
 * images, so TypeScript compares or hashes only short runs of bytes.
 */
import * as Context from "effect/Context"

export type Algorithm = "sha1" | "sha256" | "sha512-256"

/** A digest of bytes that arrive in pieces. */
export interface Hasher {
  readonly update: (bytes: Uint8Array) => void
  /** The digest of all bytes so far. Call it once, at the end. */
  readonly digest: () => Uint8Array
}

/** Operations on bytes. */
export interface Shape {
  /** Whether both have the same length and the same bytes. */
  readonly equal: (left: Uint8Array, right: Uint8Array) => boolean
  /**
   * Synchronous, unlike Effect's `Digest`: formats and names are made from digests in pure functions. Effect's also takes all
   * bytes at once, where images have gigabytes, and has no SHA-512/256.
   */
  readonly hasher: (algorithm: Algorithm) => Hasher
}

/** The service with these operations. */
export class NativeBytes extends Context.Service<NativeBytes, Shape>()("flatimage/platform/NativeBytes") {}

/** The digest of bytes in memory. */
export const digest = (native: Shape, algorithm: Algorithm, bytes: Uint8Array): Uint8Array => {
  const hasher = native.hasher(algorithm)
  hasher.update(bytes)
  return hasher.digest()
}
