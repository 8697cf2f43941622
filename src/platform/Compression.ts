/** Compresses and unpacks data, by native code of the platform. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"

/** Data that cannot be compressed or unpacked, or whose content exceeds the limit. */
export class CompressionError extends Data.TaggedError("CompressionError")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** Options of zstd. */
export interface ZstdOptions {
  readonly level: number
  /** Binary logarithm of the window size in bytes. Unpacking needs as much memory. */
  readonly windowLog: number
}

/** The content of a compressed stream. */
export interface Inflated {
  readonly content: Uint8Array
  /** Bytes of the stream itself; other data may follow it. */
  readonly consumed: number
}

/** Compresses and unpacks. */
export class Compression extends Context.Service<Compression, {
  /** Compresses bytes into one zstd frame that contains their number. */
  readonly zstd: (bytes: Uint8Array, options: ZstdOptions) => Effect.Effect<Uint8Array, CompressionError>
  /** Unpacks one zstd frame. Fails before unpacking if its content has more than `limit` bytes. */
  readonly unzstd: (frame: Uint8Array, limit: number) => Effect.Effect<Uint8Array, CompressionError>
  /** Unpacks the raw deflate stream at the beginning of the bytes. Fails if its content has more than `limit` bytes. */
  readonly inflateRaw: (bytes: Uint8Array, limit: number) => Effect.Effect<Inflated, CompressionError>
}>()("flatimage/platform/Compression") {}
