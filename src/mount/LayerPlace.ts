import * as ByteString from "../ByteString.ts"

/** A layer as the driver takes it: a file and the place of the DwarFS image in it, in bytes. */
export interface LayerPlace {
  readonly path: string
  readonly offset: number
  readonly size: number
}

/** A layer as requests to native programs name it. */
export const inRequest = (layer: LayerPlace): LayerPlace => ({ ...layer, path: ByteString.ofText(layer.path) })
