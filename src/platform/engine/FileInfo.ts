import * as ByteSize from "effect/ByteSize"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

/** The buffer into which host functions write the information about a file, in numbers of 64 bits. */
export const space = new Uint8Array(14 * 8)
const numbers = new BigInt64Array(space.buffer)

const types: Readonly<Record<number, FileSystem.File.Type>> = {
  0o01: "FIFO",
  0o02: "CharacterDevice",
  0o04: "Directory",
  0o06: "BlockDevice",
  0o10: "File",
  0o12: "SymbolicLink",
  0o14: "Socket"
}

/** Types of files by the letters of `readDirectory`. */
export const typeOfLetter: Readonly<Record<string, FileSystem.File.Type>> = {
  "-": "File",
  b: "BlockDevice",
  c: "CharacterDevice",
  d: "Directory",
  l: "SymbolicLink",
  p: "FIFO",
  s: "Socket"
}

const at = (index: number): bigint => numbers[index] ?? 0n

/** As an unsigned number, as in the kernel. */
const wide = (index: number): bigint => BigInt.asUintN(64, at(index))

// Effect's file system uses JavaScript dates.
// @effect-diagnostics-next-line globalDate:off
const timeAt = (index: number): Date => new Date(Number(at(index)) * 1000 + Math.floor(Number(at(index + 1)) / 1e6))

/** The information in the buffer. The kernel's call has no creation time. */
export const info = (): FileSystem.File.Info => {
  const mode = Number(at(2))
  return {
    type: types[mode >> 12] ?? "Unknown",
    mtime: Option.some(timeAt(12)),
    atime: Option.some(timeAt(10)),
    birthtime: Option.none(),
    dev: wide(0),
    ino: Option.some(wide(1)),
    mode,
    nlink: Option.some(wide(3)),
    uid: Option.some(Number(at(4))),
    gid: Option.some(Number(at(5))),
    rdev: Option.some(wide(6)),
    size: ByteSize.bytes(at(7)),
    blksize: Option.some(ByteSize.bytes(at(8))),
    blocks: Option.some(at(9))
  }
}

/** Whether the buffer describes a directory. */
export const isDirectory = (): boolean => Number(at(2)) >> 12 === 0o04
