/** The requests to `fim patch` that change an image, and their bytes. Pure. */
import * as Bytes from "effect/Bytes"
import * as ByteString from "../ByteString.ts"
import { viewOf } from "../View.ts"
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

/** The length of a path, then the path. */
const encodePath = (path: string): Uint8Array => {
  const bytes = ByteString.bytesOfName(path)
  const length = new Uint8Array(4)
  viewOf(length).setUint32(0, bytes.length, true)
  return Bytes.concat([length, bytes])
}

/** A kind, then numbers of 64 bits. */
const encodeNumbers = (kind: number, ...numbers: ReadonlyArray<number>): Uint8Array => {
  const bytes = new Uint8Array(4 + 8 * numbers.length)
  const view = viewOf(bytes)
  view.setUint32(0, kind, true)
  for (const [index, number] of numbers.entries()) view.setBigUint64(4 + 8 * index, BigInt(number), true)
  return bytes
}

/** Encodes one stage for `fim patch`. */
export const encodeStage = (stage: Stage): Uint8Array => {
  switch (stage._tag) {
    case "Truncate":
      return encodeNumbers(3, stage.length)
    case "Copy":
      return Bytes.concat([encodeNumbers(4, stage.offset), encodePath(stage.source)])
    case "Publish":
      return encodeNumbers(5, stage.offset, stage.size)
    case "Export":
      return Bytes.concat([encodeNumbers(6, stage.offset, stage.size), encodePath(stage.path)])
    case "Rebuild":
      return Bytes.concat([encodeNumbers(7, stage.end), encodePath(stage.path), encodePath(stage.layer)])
    case "Replace":
      return Bytes.concat([encodeNumbers(8), encodePath(stage.path)])
    case "Write":
      return encodeWrites(stage)
  }
}

const encodeWrites = (stage: Extract<Stage, { readonly _tag: "Write" }>): Uint8Array => {
  const head = new Uint8Array(8)
  viewOf(head).setUint32(0, stage.sync ? 1 : 2, true)
  viewOf(head).setUint32(4, stage.writes.length, true)
  return Bytes.concat([
    head,
    ...stage.writes.flatMap((write) => {
      const entry = new Uint8Array(12)
      viewOf(entry).setBigUint64(0, BigInt(write.offset), true)
      viewOf(entry).setUint32(8, write.bytes.length, true)
      return [entry, write.bytes]
    })
  ])
}
