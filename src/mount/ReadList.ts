/** Lists of what a run has read of its layers. `list_reads` in `janitor/driver.rs` writes them. */
import * as Utf8 from "../Utf8.ts"

/** The variable with the absolute path of the list. Used by commands that order layers; a run without it writes none. */
export const readList = "FIM_READS"

const startsWith = (bytes: Uint8Array, prefix: Uint8Array) => prefix.every((byte, index) => bytes[index] === byte)

/**
 * Selects the entries of one layer.
 *
 * @param list entries `LAYER OFFSET LENGTH PATH`, each ended by a zero byte; a path is any bytes
 * @param layer number of the layer in the run, from 0 for the lowest
 * @returns its entries `OFFSET LENGTH PATH`, each ended by a zero byte, as `mkdwarfs --first` takes them
 */
export const ofLayer = (list: Uint8Array, layer: number): Uint8Array => {
  const prefix = Utf8.encode(`${layer} `)
  const selected: Array<Uint8Array> = []
  for (let start = 0, end = list.indexOf(0); end >= 0; start = end + 1, end = list.indexOf(0, start)) {
    const entry = list.subarray(start, end + 1)
    if (startsWith(entry, prefix)) selected.push(entry.subarray(prefix.length))
  }
  const all = new Uint8Array(selected.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const entry of selected) {
    all.set(entry, offset)
    offset += entry.length
  }
  return all
}
