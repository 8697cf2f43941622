/** The first bytes of a program. */
export const elfHeader = (machine: number, order: 1 | 2 = 1): Uint8Array => {
  const header = new Uint8Array(64)
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, order, 1])
  new DataView(header.buffer).setUint16(18, machine, order === 1)
  return header
}
