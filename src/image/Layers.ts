import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { reservedSize } from "./ReservedLayout.ts"

/** Bytes of the size in front of each layer. */
export const prefixSize = 8

const magic = [0x44, 0x57, 0x41, 0x52, 0x46, 0x53] // DWARFS

/** Bytes that a scan reads of each layer: size, magic, major and minor version. */
const probeSize = prefixSize + magic.length

/** One layer. `offset` and `size` of its DwarFS image are in bytes; `index` is 0 for the lowest. */
export interface Layer {
  readonly index: number
  readonly offset: number
  readonly size: number
}

/**
 * The result of a scan. `end` is the offset at which it stopped, `stop` the reason; bytes from `end` on belong to no layer.
 */
export interface Scan {
  readonly layers: ReadonlyArray<Layer>
  readonly end: number
  readonly stop: "EndOfFile" | "SizeZero" | "NotDwarFS"
}

/** A layer that is truncated. `offset` is that of its size field, in bytes from the start of the file. */
export class LayersError extends Data.TaggedError("LayersError")<{
  readonly reason: "BeyondEnd" | "Truncated" | "Oversized"
  readonly offset: number
  readonly detail: string
}> {
  override get message(): string {
    return `${this.detail} (at byte ${this.offset})`
  }
}

/** The content at the place of a layer: a layer of that size, or the reason why there is none. */
export type Probe = { readonly _tag: "Layer"; readonly size: number } | {
  readonly _tag: "Stop"
  readonly stop: Scan["stop"]
}

/**
 * Classifies the first bytes at a place where a layer may be.
 *
 * @param bytes up to 14 bytes from `offset`, fewer at the end of the file
 * @param offset in bytes from the start of the file
 * @param fileSize in bytes
 * @returns the result, whatever the bytes; a `LayersError` for a truncated layer
 */
export const probe = (bytes: Uint8Array, offset: number, fileSize: number): Result.Result<Probe, LayersError> => {
  const rest = fileSize - offset
  if (rest === 0) return Result.succeed({ _tag: "Stop", stop: "EndOfFile" })
  if (rest < prefixSize || bytes.length < prefixSize) {
    return Result.fail(
      new LayersError({
        reason: "Truncated",
        offset,
        detail: `${rest} bytes are left, too few for the size of a layer`
      })
    )
  }
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true)
  if (size === 0n) return Result.succeed({ _tag: "Stop", stop: "SizeZero" })
  const isDwarFS = bytes.length >= probeSize && size >= BigInt(magic.length)
    && magic.every((byte, index) => bytes[prefixSize + index] === byte)
  if (!isDwarFS) return Result.succeed({ _tag: "Stop", stop: "NotDwarFS" })
  if (size > BigInt(rest - prefixSize)) {
    return Result.fail(
      new LayersError({
        reason: "Oversized",
        offset,
        detail: `a layer says it has ${size} bytes, but the file ends after ${rest - prefixSize}`
      })
    )
  }
  return Result.succeed({ _tag: "Layer", size: Number(size) })
}

/**
 * Finds the layers of an image, with one read each.
 *
 * @param read returns up to `length` bytes from `position`, fewer at the end of the file
 * @returns the layers and where the scan stopped; fails with `LayersError` for a truncated layer, or with the error of
 *   `read`
 */
export const scan = <E, R>(
  read: (position: number, length: number) => Effect.Effect<Uint8Array, E, R>,
  reservedOffset: number,
  fileSize: number
): Effect.Effect<Scan, LayersError | E, R> =>
  Effect.gen(function*() {
    const layers: Array<Layer> = []
    let offset = reservedOffset + reservedSize
    if (!Number.isSafeInteger(offset) || reservedOffset < 0 || offset > fileSize) {
      return yield* new LayersError({
        reason: "BeyondEnd",
        offset: reservedOffset,
        detail: `the reserved space reaches beyond the end of the file of ${fileSize} bytes`
      })
    }
    while (true) {
      const bytes = offset === fileSize ? new Uint8Array() : yield* read(offset, Math.min(probeSize, fileSize - offset))
      const found = yield* Effect.fromResult(probe(bytes, offset, fileSize))
      if (found._tag === "Stop") return { layers, end: offset, stop: found.stop }
      layers.push({ index: layers.length, offset: offset + prefixSize, size: found.size })
      offset += prefixSize + found.size
    }
  })
