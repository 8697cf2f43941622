/** Tar archives made by hand: no tar writes what the tests need. */

/** One header with its content. `type` is the letter of the header: 0 file, 1 hard link, 2 link, 3 and 4 devices, 5 directory. */
export const entry = (
  name: string,
  type: string,
  link = "",
  content: string | Uint8Array = "",
  mode = 0o755
): Buffer => {
  const bytes = Buffer.from(content)
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write(`${mode.toString(8).padStart(7, "0")}\0`, 100)
  header.write("0000000\0", 108)
  header.write("0000000\0", 116)
  header.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124)
  header.write("00000000000\0", 136)
  header.write("        ", 148)
  header.write(type, 156)
  header.write(link, 157)
  header.write("ustar\x0000", 257)
  if (type === "3" || type === "4") header.write("0000001\x000000003\0", 329)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return Buffer.concat([header, bytes, Buffer.alloc((512 - bytes.length % 512) % 512)])
}

export const archive = (...entries: ReadonlyArray<Buffer>): Buffer => Buffer.concat([...entries, Buffer.alloc(1024)])
