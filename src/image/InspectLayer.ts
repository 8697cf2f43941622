import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ByteString from "../ByteString.ts"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { viewOf } from "../View.ts"
import type { Layer } from "./Layers.ts"

/** Reads a range of the file in pieces. Offset and length in bytes. */
export type ReadRange<E> = (offset: number, length: number) => Stream.Stream<Uint8Array, E>

const headerSize = 64
/** Offset of the first byte that the checksum covers: not the magic, the version and the checksum itself. */
const checkedFrom = 40
const magic = "DWARFS"

/** Numbers of the section types that every reader needs. */
const metadataSchema = 7
const metadata = 8

// An image has one section for each block of 1 MiB or more: a longer chain is not valid.
const maxSections = 1_000_000

/** The result for one layer. `sections` counts the valid ones. */
export interface LayerReport {
  readonly version: string
  readonly sections: number
  readonly problems: ReadonlyArray<string>
}

/** Follows the sections of a DwarFS image and checks the SHA-512/256 of each. Offsets are in bytes of the file. */
export const inspectLayer = <E>(read: ReadRange<E>, layer: Layer): Effect.Effect<LayerReport, E, NativeBytes> =>
  Effect.gen(function*() {
    const native = yield* NativeBytes
    const problems: Array<string> = []
    const types = new Set<number>()
    const end = layer.offset + layer.size
    let offset = layer.offset
    let sections = 0
    let version = ""
    const stop = (problem: string) => {
      problems.push(`${problem} (at byte ${offset})`)
      return { version, sections, problems }
    }
    while (offset < end) {
      if (sections === maxSections) return stop(`there are more than ${maxSections} sections`)
      if (end - offset < headerSize) return stop("the header of a section is cut off")
      const header = Bytes.concat(yield* Stream.runCollect(read(offset, headerSize)))
      if (header.length < headerSize) return stop("the header of a section is cut off")
      if (ByteString.ofBytes(header.subarray(0, magic.length)) !== magic) {
        return stop("a section does not begin with DWARFS")
      }
      const found = `${header[6]}.${header[7]}`
      if (header[6] !== 2 || (header[7] ?? 0) < 3 || (header[7] ?? 0) > 5) {
        return stop(`the DwarFS version ${found} is not one of 2.3 to 2.5`)
      }
      version = found
      const view = viewOf(header)
      const number = view.getUint32(48, true)
      const length = view.getBigUint64(56, true)
      if (number !== sections) return stop(`section ${sections} says it is number ${number}`)
      if (length > BigInt(end - offset - headerSize)) return stop(`section ${sections} reaches beyond the layer`)
      const size = headerSize + Number(length)
      const hash = native.hasher("sha512-256")
      yield* Stream.runForEach(
        read(offset + checkedFrom, size - checkedFrom),
        (bytes) => Effect.sync(() => hash.update(bytes))
      )
      if (!native.equal(hash.digest(), header.subarray(8, checkedFrom))) {
        problems.push(`the checksum of section ${sections} is wrong (at byte ${offset})`)
      }
      types.add(view.getUint16(52, true))
      sections++
      offset += size
    }
    if (!types.has(metadataSchema) || !types.has(metadata)) return stop("the sections with the metadata are missing")
    return { version, sections, problems }
  })
