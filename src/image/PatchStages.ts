/** The requests to `fim patch` that change an image. Pure. */
import * as Bytes from "effect/Bytes"
import * as ByteString from "../ByteString.ts"
import type * as Journal from "./Journal.ts"

/** Appends a layer: writes its bytes after a size of 0, which ends a scan of the layers, and then its size. */
type AppendStage =
  | { readonly _tag: "Copy"; readonly offset: number; readonly source: string }
  | { readonly _tag: "Publish"; readonly offset: number; readonly size: number }

/** Creates new files from the image, which is only read; finally one of them replaces it. */
type RewriteStage =
  /** Only a range of the image. */
  | { readonly _tag: "Export"; readonly offset: number; readonly size: number; readonly path: string }
  /** The image up to `end`, and the layer in the file `layer` unless that is empty. */
  | { readonly _tag: "Rebuild"; readonly end: number; readonly path: string; readonly layer: string }
  | { readonly _tag: "Replace"; readonly path: string }

export type Stage = Journal.Stage | AppendStage | RewriteStage

/** A stage as a request to `fim patch`. */
interface StageRequest {
  readonly operation: string
  readonly fields: object
  readonly body?: Uint8Array
}

/** Encodes one stage for `fim patch`. */
export const encodeStage = (stage: Stage): StageRequest => {
  switch (stage._tag) {
    case "Truncate":
      return { operation: "truncate", fields: { length: stage.length } }
    case "Copy":
      return { operation: "copy", fields: { offset: stage.offset, source: ByteString.ofText(stage.source) } }
    case "Publish":
      return { operation: "publish", fields: { offset: stage.offset, size: stage.size } }
    case "Export":
      return {
        operation: "export",
        fields: { offset: stage.offset, size: stage.size, path: ByteString.ofText(stage.path) }
      }
    case "Rebuild":
      return {
        operation: "rebuild",
        fields: { end: stage.end, path: ByteString.ofText(stage.path), layer: ByteString.ofText(stage.layer) }
      }
    case "Replace":
      return { operation: "replace", fields: { path: ByteString.ofText(stage.path) } }
    case "Write":
      return {
        operation: "write",
        fields: { sync: stage.sync, writes: stage.writes.map(({ bytes, offset }) => [offset, bytes.length]) },
        body: Bytes.concat(stage.writes.map(({ bytes }) => bytes))
      }
  }
}
