import * as Result from "effect/Result"
import { createHash } from "node:crypto"
import { zstdCompressSync } from "node:zlib"
import * as Manifest from "../../src/image/Manifest.ts"
import { fieldNames, reservedSize, slots } from "../../src/image/ReservedLayout.ts"
import { encode } from "../../src/image/SettingsCodec.ts"
import { defaults } from "../../src/image/SettingsDefaults.ts"

/** `{u64 size, bytes}`. */
export const blob = (bytes: Uint8Array): Buffer => {
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([size, bytes])
}

const names = Buffer.from("\0.fim_reserved_offset\0.shstrtab\0")

/** Where the fields of {@link smallLauncher} are, in bytes. */
export const launcherLayout = { code: 120, section: 136, names: 144, tables: 176 + 8, end: 176 + 8 + 3 * 64 }

/** A static ELF-64 program without code: one segment, a section for the reserved offset, a section for the names. */
export const smallLauncher = (): Buffer => {
  const bytes = Buffer.alloc(launcherLayout.end)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  bytes.writeUInt16LE(2, 16)
  bytes.writeUInt16LE(62, 18)
  bytes.writeUInt32LE(1, 20)
  bytes.writeBigUInt64LE(64n, 32)
  bytes.writeBigUInt64LE(BigInt(launcherLayout.tables), 40)
  bytes.writeUInt16LE(64, 52)
  bytes.writeUInt16LE(56, 54)
  bytes.writeUInt16LE(1, 56)
  bytes.writeUInt16LE(64, 58)
  bytes.writeUInt16LE(3, 60)
  bytes.writeUInt16LE(2, 62)
  bytes.writeUInt32LE(1, 64)
  bytes.writeBigUInt64LE(0x400000n, 64 + 16)
  bytes.writeBigUInt64LE(136n, 64 + 32)
  bytes.set(names, launcherLayout.names)
  const section = (index: number, name: number, type: number, offset: number, size: number) => {
    const at = launcherLayout.tables + index * 64
    bytes.writeUInt32LE(name, at)
    bytes.writeUInt32LE(type, at + 4)
    bytes.writeBigUInt64LE(BigInt(offset), at + 24)
    bytes.writeBigUInt64LE(BigInt(size), at + 32)
  }
  section(1, 1, 1, launcherLayout.section, 8)
  section(2, 22, 3, launcherLayout.names, names.length)
  return bytes
}

/** A DwarFS image as far as its section headers go: metadata schema (7) and metadata (8), with some bytes each. */
export const smallLayer = (content = "bytes"): Buffer =>
  Buffer.concat([7, 8].map((type, number) => {
    const data = Buffer.from(`${content} of section ${number}`)
    const checked = Buffer.alloc(24)
    checked.writeUInt32LE(number, 8)
    checked.writeUInt16LE(type, 12)
    checked.writeBigUInt64LE(BigInt(data.length), 16)
    const digest = createHash("sha512-256").update(checked).update(data).digest()
    return Buffer.concat([Buffer.from("DWARFS"), Buffer.from([2, 5]), digest, checked, data])
  }))

/** A tool table with one tool, and the blob of that tool. */
export const smallTools = (content: Buffer = Buffer.from("#!/bin/sh\n".repeat(20))) => {
  const table: Manifest.ToolTable = {
    format: 1,
    version: "0.1.0",
    commit: "0123abc",
    timestamp: "20260102030405",
    tools: [{
      path: "bin/tool",
      mode: 0o755,
      size: content.length,
      sha256: createHash("sha256").update(content).digest("hex"),
      encoding: "zstd"
    }],
    applets: ["ls", "["],
    dependencies: {}
  }
  // In two frames, as large tools have them.
  const half = content.length >> 1
  const packed = Buffer.concat([zstdCompressSync(content.subarray(0, half)), zstdCompressSync(content.subarray(half))])
  return { table, packed }
}

const defaultReserved = (): Buffer => {
  const space = Buffer.alloc(reservedSize)
  for (const field of fieldNames) {
    space.set(Result.getOrThrow(encode(field, defaults[field])), slots[field].offset)
  }
  return space
}

/** A whole image, and where its parts begin. */
export const smallImage = (layers: ReadonlyArray<Buffer> = [smallLayer("lower"), smallLayer("upper")]) => {
  const head = smallLauncher()
  head.set([0x46, 0x49, 0x01], 8)
  const { packed, table } = smallTools()
  const json = Result.getOrThrow(Manifest.encode(table))
  const tableAt = head.length
  const toolAt = tableAt + 8 + json.length
  const reservedAt = toolAt + 8 + packed.length
  head.writeBigUInt64LE(BigInt(reservedAt), launcherLayout.section)
  const bytes = Buffer.concat([head, blob(json), blob(packed), defaultReserved(), ...layers.map(blob)])
  return { bytes, tableAt, toolAt, reservedAt, layersAt: reservedAt + reservedSize }
}
