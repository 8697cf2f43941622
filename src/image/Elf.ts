import * as Data from "effect/Data"
import * as Result from "effect/Result"

/** Size of an ELF-64 file header in bytes: {@link tablesEnd} needs that much. */
export const headerSize = 64

const programHeaderSize = 56
const sectionHeaderSize = 64
const dynamicEntrySize = 16

const segmentDynamic = 2
const segmentInterpreter = 3
const segmentLoad = 1
const sectionNoBits = 8
const dynamicNull = 0
const dynamicNeeded = 1
const dynamicStringTable = 5
const dynamicStringTableSize = 10

// A hostile file could name one long string many times. No real library comes near either limit.
const maxStringLength = 4096
const maxLibraries = 1024

/** Why a file is not an ELF-64 little-endian program. `offset` is in bytes from the start of the file. */
export class ElfError extends Data.TaggedError("ElfError")<{
  readonly reason: "NotElf" | "Unsupported" | "Truncated" | "OutOfRange"
  readonly offset: number
  readonly detail: string
}> {
  override get message(): string {
    return `${this.detail} (at byte ${this.offset})`
  }
}

/** A program segment. Offset and size in bytes of the file. */
export interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly size: number
}

/** A section. Offset and size in bytes of the file. */
export interface Section {
  readonly name: string
  readonly type: number
  readonly offset: number
  readonly size: number
}

/** The header tables of a file. */
export interface Elf {
  readonly machine: number
  readonly segments: ReadonlyArray<Segment>
  readonly sections: ReadonlyArray<Section>
  /** First byte after the last segment, section and header table. */
  readonly end: number
}

const fail = (reason: ElfError["reason"], offset: number, detail: string) =>
  Result.fail(new ElfError({ reason, offset, detail }))

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A number above 2^53 cannot be an offset of an existing file: it becomes Infinity and fails each range check. */
const u64 = (view: DataView, offset: number): number => {
  const value = view.getBigUint64(offset, true)
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(value)
}

interface Header {
  readonly machine: number
  readonly programs: { readonly offset: number; readonly count: number }
  readonly sections: { readonly offset: number; readonly count: number; readonly names: number }
}

const header = (bytes: Uint8Array): Result.Result<Header, ElfError> => {
  if (bytes.length < 4 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) {
    return fail("NotElf", 0, "the file does not begin with an ELF header")
  }
  if (bytes.length < headerSize) {
    return fail("Truncated", bytes.length, "the ELF header is cut off")
  }
  if (bytes[4] !== 2 || bytes[5] !== 1) {
    return fail("Unsupported", 4, "only 64-bit little-endian ELF files are supported")
  }
  const view = viewOf(bytes)
  const found: Header = {
    machine: view.getUint16(18, true),
    programs: { offset: u64(view, 32), count: view.getUint16(56, true) },
    sections: { offset: u64(view, 40), count: view.getUint16(60, true), names: view.getUint16(62, true) }
  }
  if (found.programs.count > 0 && view.getUint16(54, true) !== programHeaderSize) {
    return fail("Unsupported", 54, "the program headers have an unknown size")
  }
  if (found.sections.count > 0 && view.getUint16(58, true) !== sectionHeaderSize) {
    return fail("Unsupported", 58, "the section headers have an unknown size")
  }
  return Result.succeed(found)
}

const tablesEndOf = (found: Header): number =>
  Math.max(
    headerSize,
    found.programs.count === 0 ? 0 : found.programs.offset + found.programs.count * programHeaderSize,
    found.sections.count === 0 ? 0 : found.sections.offset + found.sections.count * sectionHeaderSize
  )

/**
 * The number of bytes that {@link parse} needs so that both header tables are among them.
 *
 * @param bytes at least the first {@link headerSize} bytes of the file
 * @returns the size in bytes; fails with `ElfError`
 */
export const tablesEnd = (bytes: Uint8Array): Result.Result<number, ElfError> =>
  Result.flatMap(header(bytes), (found) => {
    const end = tablesEndOf(found)
    return Number.isSafeInteger(end) ? Result.succeed(end) : fail("OutOfRange", 32, "a header table is out of range")
  })

const stringAt = (bytes: Uint8Array, offset: number, limit: number): string | undefined => {
  const until = Math.min(limit, offset + maxStringLength, bytes.length)
  if (!(offset >= 0) || offset >= until) return undefined
  const end = bytes.subarray(offset, until).indexOf(0)
  return end < 0 ? undefined : new TextDecoder("latin1").decode(bytes.subarray(offset, offset + end))
}

/**
 * Parses the header tables of an ELF-64 little-endian file.
 *
 * @param bytes the file, or as much of its start as {@link tablesEnd} returns
 * @returns the tables, or an `ElfError`, whatever the bytes
 */
export const parse = (bytes: Uint8Array): Result.Result<Elf, ElfError> => {
  const found = header(bytes)
  if (Result.isFailure(found)) return Result.fail(found.failure)
  const { machine, programs, sections } = found.success
  const tables = tablesEndOf(found.success)
  if (!(tables <= bytes.length)) {
    return fail("Truncated", bytes.length, "the header tables reach beyond the end of the file")
  }
  const view = viewOf(bytes)
  let end = tables
  const segments: Array<Segment> = []
  for (let index = 0; index < programs.count; index++) {
    const at = programs.offset + index * programHeaderSize
    const segment = {
      type: view.getUint32(at, true),
      offset: u64(view, at + 8),
      address: u64(view, at + 16),
      size: u64(view, at + 32)
    }
    if (!Number.isSafeInteger(segment.offset + segment.size)) {
      return fail("OutOfRange", at, "a program segment is out of range")
    }
    segments.push(segment)
    end = Math.max(end, segment.offset + segment.size)
  }
  const raw: Array<{ name: number; type: number; offset: number; size: number }> = []
  for (let index = 0; index < sections.count; index++) {
    const at = sections.offset + index * sectionHeaderSize
    const section = {
      name: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      offset: u64(view, at + 24),
      size: u64(view, at + 32)
    }
    // Sections without bits occupy memory only; their offset and size do not describe the file.
    if (section.type !== sectionNoBits) {
      if (!Number.isSafeInteger(section.offset + section.size)) {
        return fail("OutOfRange", at, "a section is out of range")
      }
      end = Math.max(end, section.offset + section.size)
    }
    raw.push(section)
  }
  const names = raw[sections.names]
  return Result.succeed({
    machine,
    segments,
    end,
    sections: raw.map((section) => ({
      name: names === undefined
        ? ""
        : stringAt(bytes, names.offset + section.name, names.offset + names.size) ?? "",
      type: section.type,
      offset: section.offset,
      size: section.size
    }))
  })
}

/** The first section with that name; `undefined` if there is none. */
export const section = (elf: Elf, name: string): Section | undefined =>
  elf.sections.find((candidate) => candidate.name === name)

/** The program interpreter (dynamic loader) of an executable; `undefined` if it is static. */
export const interpreter = (elf: Elf, bytes: Uint8Array): string | undefined => {
  const segment = elf.segments.find((candidate) => candidate.type === segmentInterpreter)
  return segment === undefined ? undefined : stringAt(bytes, segment.offset, segment.offset + segment.size)
}

/**
 * The shared libraries that a program or library names (`DT_NEEDED`), in file order; none if it is static.
 *
 * @param elf the result of {@link parse}
 * @param bytes the whole file
 * @returns file names; fails with `ElfError` if the dynamic section points outside the file
 */
export const needed = (elf: Elf, bytes: Uint8Array): Result.Result<ReadonlyArray<string>, ElfError> => {
  const dynamic = elf.segments.find((candidate) => candidate.type === segmentDynamic)
  if (dynamic === undefined) return Result.succeed([])
  if (dynamic.offset + dynamic.size > bytes.length) {
    return fail("Truncated", bytes.length, "the dynamic section reaches beyond the end of the file")
  }
  const view = viewOf(bytes)
  const names: Array<number> = []
  let tableAddress: number | undefined
  let tableSize = Infinity
  for (let at = dynamic.offset; at + dynamicEntrySize <= dynamic.offset + dynamic.size; at += dynamicEntrySize) {
    const tag = u64(view, at)
    const value = u64(view, at + 8)
    if (tag === dynamicNull) break
    if (tag === dynamicNeeded) names.push(value)
    if (tag === dynamicStringTable) tableAddress = value
    if (tag === dynamicStringTableSize) tableSize = value
  }
  if (names.length === 0) return Result.succeed([])
  if (names.length > maxLibraries) {
    return fail("OutOfRange", dynamic.offset, `more than ${maxLibraries} shared libraries are named`)
  }
  const address = tableAddress
  const holder = address === undefined ?
    undefined :
    elf.segments.find((candidate) =>
      candidate.type === segmentLoad && address >= candidate.address && address < candidate.address + candidate.size
    )
  if (address === undefined || holder === undefined) {
    return fail("OutOfRange", dynamic.offset, "the dynamic string table is in no segment")
  }
  const table = holder.offset + (address - holder.address)
  const libraries: Array<string> = []
  for (const name of names) {
    const library = stringAt(bytes, table + name, Math.min(table + tableSize, bytes.length))
    if (library === undefined || library === "") {
      return fail("OutOfRange", dynamic.offset, "the name of a shared library is outside the dynamic string table")
    }
    libraries.push(library)
  }
  return Result.succeed(libraries)
}
