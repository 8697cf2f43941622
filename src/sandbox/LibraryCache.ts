/** The list of libraries that `ldconfig` keeps for the loader of glibc, `/etc/ld.so.cache`, in the form of glibc 2.32 and later. */

/** More than this is not read, nor are more entries looked at. Common hosts have some 200 KB and 2000 entries. */
export const cacheLimit = 8 * 1024 * 1024
const entryLimit = 65_536
const pathLimit = 4096

const magic = Buffer.from("glibc-ld.so.cache1.1", "latin1")
const headerSize = 48
const entrySize = 24

/** The text that begins at an offset and ends before a zero byte, if it is one of bearable length. */
const textAt = (bytes: Buffer, offset: number): string | undefined => {
  if (offset < headerSize || offset >= bytes.length) return undefined
  const end = bytes.indexOf(0, offset)
  return end <= offset || end - offset > pathLimit ? undefined : bytes.toString("utf8", offset, end)
}

/**
 * Directories of the libraries whose names are wanted, in the order of the cache. Nothing for bytes in another form, for
 * those of another byte order, and for a cache that is cut; entries that point beyond it are passed over.
 */
export const directoriesOf = (
  content: Uint8Array,
  isWanted: (name: string) => boolean
): ReadonlyArray<string> => {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  if (bytes.length < headerSize || bytes.length > cacheLimit || !bytes.subarray(0, magic.length).equals(magic)) {
    return []
  }
  const count = bytes.readUInt32LE(20)
  if (count > entryLimit || headerSize + count * entrySize > bytes.length) return []
  const directories = new Set<string>()
  for (let entry = 0; entry < count; entry++) {
    const at = headerSize + entry * entrySize
    const name = textAt(bytes, bytes.readUInt32LE(at + 4))
    if (name === undefined || !isWanted(name)) continue
    const path = textAt(bytes, bytes.readUInt32LE(at + 8))
    if (path !== undefined && /^\/.+\//.test(path)) directories.add(path.slice(0, path.lastIndexOf("/")))
  }
  return [...directories]
}
