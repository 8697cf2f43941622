/** Reads the offset of the reserved space from the head of an image. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { viewOf } from "../View.ts"
import * as Elf from "./Elf.ts"
import { reservedSize } from "./ReservedLayout.ts"

/** A launcher has 3 MB: a file that needs more is another program. */
const maxHeadSize = 256 << 20

/** A file that is not an image. */
export class HeadError extends Data.TaggedError("HeadError")<{ readonly detail: string; readonly cause?: unknown }> {
  override get message(): string {
    return this.detail
  }
}

const refuse = (error: { readonly message: string }) => new HeadError({ detail: error.message, cause: error })

/**
 * Reads the head of an image.
 *
 * @param readAt returns bytes from a position, fewer at the end of the file
 * @param size of the file in bytes
 * @returns where the head ends and where the reserved space begins; fails with `HeadError` for any other file
 */
export const readHead = Effect.fnUntraced(function*<E, R>(
  readAt: (position: number, length: number) => Effect.Effect<Uint8Array, E, R>,
  size: number
) {
  const tables = yield* Effect.fromResult(Elf.tablesEnd(yield* readAt(0, Elf.headerSize))).pipe(Effect.mapError(refuse))
  const elf = yield* Effect.fromResult(Elf.parse(yield* readAt(0, Math.min(tables, maxHeadSize)))).pipe(
    Effect.mapError(refuse)
  )
  const section = Elf.section(elf, ".fim_reserved_offset")
  const bytes = section === undefined || section.size !== 8 ? new Uint8Array() : yield* readAt(section.offset, 8)
  const offset = bytes.length === 8 ? Number(viewOf(bytes).getBigUint64(0, true)) : 0
  if (offset < elf.end || offset + reservedSize > size) {
    return yield* new HeadError({ detail: "it names no reserved space within itself" })
  }
  return { end: elf.end, offset }
})
