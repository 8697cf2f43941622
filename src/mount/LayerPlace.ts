import * as ByteString from "../ByteString.ts"

/** A layer for the driver: a file, and offset and size of the DwarFS image in it, in bytes. */
export interface LayerPlace {
  readonly path: string
  readonly offset: number
  readonly size: number
}

/**
 * Encodes a layer for a request to a native program.
 *
 * @param layer with its path as text
 * @returns the same with its path as a byte string
 */
export const inRequest = (layer: LayerPlace): LayerPlace => ({ ...layer, path: ByteString.ofText(layer.path) })
