/** Where the parts of a container image come from. */
import type * as Effect from "effect/Effect"
import type { BuildError } from "../BuildError.ts"
import type { Report } from "../Progress.ts"
import type { Config, Descriptor } from "./Documents.ts"

/** A layer of a container image. */
export interface LayerBlob {
  /** SHA-256 of the archive without compression, in hexadecimal digits. */
  readonly diff: string
  /** For messages. */
  readonly name: string
  /** Bytes of the blob, if it is known. */
  readonly size: number | undefined
  /** The path of the verified blob. */
  readonly fetch: (report: Report) => Effect.Effect<string, BuildError>
  /** Removes what `fetch` has written. */
  readonly release: Effect.Effect<void>
}

/** A container image whose configuration has been read. */
export interface ContainerImage {
  readonly config: Config
  /** Lowest first. */
  readonly layers: ReadonlyArray<LayerBlob>
}

/** A source of documents and blobs by their digests. */
export interface Origin {
  /** For messages. */
  readonly name: string
  /** The index or manifest that the reference names. */
  readonly top: Effect.Effect<Uint8Array, BuildError>
  /** A document of at most `limit` bytes, verified. */
  readonly document: (descriptor: Descriptor, limit: number) => Effect.Effect<Uint8Array, BuildError>
  /** The path of a blob, verified. */
  readonly blob: (descriptor: Descriptor, report: Report) => Effect.Effect<string, BuildError>
  /** Removes what `blob` has written for this. */
  readonly release: (descriptor: Descriptor) => Effect.Effect<void>
}
