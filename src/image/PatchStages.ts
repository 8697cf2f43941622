/** What `fim patch` is told to do to an image, and its bytes. Pure. */
import type * as Journal from "./Journal.ts"

/** Appending a layer: its bytes behind a size of 0, which ends a scan of the layers, and then its size. */
type AppendStage =
  | { readonly _tag: "Copy"; readonly offset: number; readonly source: string }
  | { readonly _tag: "Publish"; readonly offset: number; readonly size: number }

/** New files made of the image, which is only read, and at last one of them in its place. */
type RewriteStage =
  /** A part of the image alone. */
  | { readonly _tag: "Export"; readonly offset: number; readonly size: number; readonly path: string }
  /** The image up to `end`, and unless it is empty the layer in the file `layer`. */
  | { readonly _tag: "Rebuild"; readonly end: number; readonly path: string; readonly layer: string }
  | { readonly _tag: "Replace"; readonly path: string }

export type Stage = Journal.Stage | AppendStage | RewriteStage

/** The length of a path and the path. */
const encodePath = (path: string): Uint8Array => {
  const bytes = Buffer.from(path)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** A kind and numbers of 64 bits. */
const encodeNumbers = (kind: number, ...numbers: ReadonlyArray<number>): Uint8Array => {
  const bytes = Buffer.alloc(4 + 8 * numbers.length)
  bytes.writeUInt32LE(kind)
  for (const [index, number] of numbers.entries()) bytes.writeBigUInt64LE(BigInt(number), 4 + 8 * index)
  return bytes
}

/** The bytes of one stage as `fim patch` reads them. */
export const encodeStage = (stage: Stage): Uint8Array => {
  switch (stage._tag) {
    case "Truncate":
      return encodeNumbers(3, stage.length)
    case "Copy":
      return Buffer.concat([encodeNumbers(4, stage.offset), encodePath(stage.source)])
    case "Publish":
      return encodeNumbers(5, stage.offset, stage.size)
    case "Export":
      return Buffer.concat([encodeNumbers(6, stage.offset, stage.size), encodePath(stage.path)])
    case "Rebuild":
      return Buffer.concat([encodeNumbers(7, stage.end), encodePath(stage.path), encodePath(stage.layer)])
    case "Replace":
      return Buffer.concat([encodeNumbers(8), encodePath(stage.path)])
    case "Write":
      return encodeWrites(stage)
  }
}

const encodeWrites = (stage: Extract<Stage, { readonly _tag: "Write" }>): Uint8Array => {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(stage.sync ? 1 : 2, 0)
  head.writeUInt32LE(stage.writes.length, 4)
  return Buffer.concat([
    head,
    ...stage.writes.flatMap((write) => {
      const entry = Buffer.alloc(12)
      entry.writeBigUInt64LE(BigInt(write.offset), 0)
      entry.writeUInt32LE(write.bytes.length, 8)
      return [entry, write.bytes]
    })
  ])
}
