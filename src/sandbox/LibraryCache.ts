/** ldconfig's list of libraries for the loader of glibc, `/etc/ld.so.cache`, in the format of glibc 2.32 and later. */

import * as ByteString from "../ByteString.ts"
import * as Utf8 from "../Utf8.ts"
import { viewOf } from "../View.ts"

/** Limits of the bytes and entries that are read. Common hosts have some 200 KB and 2000 entries. */
export const cacheLimit = 8 * 1024 * 1024
const entryLimit = 65_536
const pathLimit = 4096

const magic = "glibc-ld.so.cache1.1"
const headerSize = 48
const entrySize = 24

/** The text that begins at an offset and ends before a zero byte, if it is one of bearable length. */
const textAt = (bytes: Uint8Array, offset: number): string | undefined => {
  if (offset < headerSize || offset >= bytes.length) return undefined
  const end = bytes.indexOf(0, offset)
  return end <= offset || end - offset > pathLimit ? undefined : Utf8.decode(bytes.subarray(offset, end))
}

/**
 * Directories of the wanted libraries, in the order of the cache. Empty for bytes in another format or byte order,
 * and for a truncated cache; entries that point beyond it are skipped.
 */
export const directoriesOf = (
  bytes: Uint8Array,
  isWanted: (name: string) => boolean
): ReadonlyArray<string> => {
  if (bytes.length < headerSize || bytes.length > cacheLimit) return []
  if (ByteString.ofBytes(bytes.subarray(0, magic.length)) !== magic) return []
  const view = viewOf(bytes)
  const count = view.getUint32(20, true)
  if (count > entryLimit || headerSize + count * entrySize > bytes.length) return []
  const directories = new Set<string>()
  for (let entry = 0; entry < count; entry++) {
    const at = headerSize + entry * entrySize
    const name = textAt(bytes, view.getUint32(at + 4, true))
    if (name === undefined || !isWanted(name)) continue
    const path = textAt(bytes, view.getUint32(at + 8, true))
    if (path !== undefined && /^\/.+\//.test(path)) directories.add(path.slice(0, path.lastIndexOf("/")))
  }
  return [...directories]
}
