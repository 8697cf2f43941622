/** Pictures for tests, made and read without any code of the project. */
import { crc32, deflateSync, inflateSync } from "node:zlib"

export interface Pixels {
  readonly width: number
  readonly height: number
  /** Red, green, blue, alpha of each pixel, rows from the top. */
  readonly rgba: Uint8Array
}

const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1")

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  out.set(body, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}

/** A PNG file. `colour` gives red, green, blue and alpha of a pixel. */
export const png = (
  width: number,
  height: number,
  colour: (x: number, y: number) => readonly [number, number, number, number]
): Buffer => {
  const rows = Buffer.alloc(height * (width * 4 + 1))
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows.set(colour(x, y), y * (width * 4 + 1) + 1 + x * 4)
  }
  return pngOf(width, height, { depth: 8, type: 6 }, rows)
}

/** A PNG file of rows as they are in it, each with its filter in front. */
export const pngOf = (
  width: number,
  height: number,
  format: { readonly depth: number; readonly type: number },
  rows: Uint8Array,
  extra: ReadonlyArray<readonly [type: string, data: Uint8Array]> = []
): Buffer => {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([format.depth, format.type], 8)
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    ...extra.map(([type, data]) => chunk(type, data)),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", new Uint8Array(0))
  ])
}

/** The pixels of a PNG file with eight bits for each of four channels; throws for any other, and for a damaged one. */
export const pixelsOf = (file: Uint8Array): Pixels => {
  const bytes = Buffer.from(file)
  if (!bytes.subarray(0, 8).equals(signature)) throw new Error("no PNG")
  const parts = new Map<string, Buffer>()
  for (let at = 8; at < bytes.length;) {
    const length = bytes.readUInt32BE(at)
    const body = bytes.subarray(at + 4, at + 8 + length)
    if (crc32(body) !== bytes.readUInt32BE(at + 8 + length)) throw new Error("a chunk is damaged")
    const type = body.toString("latin1", 0, 4)
    parts.set(type, Buffer.concat([parts.get(type) ?? Buffer.alloc(0), body.subarray(4)]))
    at += 12 + length
  }
  const header = parts.get("IHDR")
  if (header === undefined || !parts.has("IEND")) throw new Error("a chunk is missing")
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)]
  if (header[8] !== 8 || header[9] !== 6 || header[12] !== 0) throw new Error("not RGBA")
  const rows = inflateSync(parts.get("IDAT") ?? Buffer.alloc(0))
  const stride = width * 4
  if (rows.length !== height * (stride + 1)) throw new Error("not as many rows as it says")
  const rgba = new Uint8Array(height * stride)
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)]
    for (let x = 0; x < stride; x++) {
      const left = x < 4 ? 0 : rgba[y * stride + x - 4]!
      const up = y === 0 ? 0 : rgba[(y - 1) * stride + x]!
      const corner = x < 4 || y === 0 ? 0 : rgba[(y - 1) * stride + x - 4]!
      const guess = left + up - corner
      const paeth = [left, up, corner].reduce((best, value) =>
        Math.abs(guess - value) < Math.abs(guess - best) ? value : best
      )
      const predicted = [0, left, up, (left + up) >> 1, paeth][filter ?? 0]!
      rgba[y * stride + x] = rows[y * (stride + 1) + 1 + x]! + predicted
    }
  }
  return { width, height, rgba }
}

export const svg = (content = "<circle cx=\"8\" cy=\"8\" r=\"8\" fill=\"#c33\"/>"): string =>
  `<?xml version="1.0"?>\n<!-- drawn by hand -->\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${content}</svg>\n`

/** 48 by 32 pixels, the left half red and the right half blue; the grey one goes from dark to light. Made by cjpeg. */
export const jpegs = {
  baseline: Buffer.from(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxO" +
      "UlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P" +
      "T09PT09PT0//wAARCAAgADADASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAUG/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/E" +
      "ABYBAQEBAAAAAAAAAAAAAAAAAAYHBf/EABkRAQADAQEAAAAAAAAAAAAAAAAGQ4LBwv/aAAwDAQACEQMRAD8Az4DGUkQl1CMYndn0" +
      "KSarXAAxFV0BHVVEJdQjGJ3Z9Ckmq1wAMRV//9k=",
    "base64"
  ),
  progressive: Buffer.from(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxO" +
      "UlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P" +
      "T09PT09PT0//wgARCAAgADADASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAQF/8QAFgEBAQEAAAAAAAAAAAAAAAAABQYE" +
      "/9oADAMBAAIQAxAAAAHPGKkQXwMlAwVeI6qQXwMlAwV//8QAFBABAAAAAAAAAAAAAAAAAAAAQP/aAAgBAQABBQJH/8QAGBEAAwEB" +
      "AAAAAAAAAAAAAAAABRBCgQD/2gAIAQMBAT8B4nOsnOr/xAAZEQACAwEAAAAAAAAAAAAAAAAFEEKBwQD/2gAIAQIBAT8B4TOtYmda" +
      "v//EABQQAQAAAAAAAAAAAAAAAAAAAED/2gAIAQEABj8CR//EABQQAQAAAAAAAAAAAAAAAAAAAED/2gAIAQEAAT8hR//aAAwDAQAC" +
      "AAMAAAAQDU+DU+//xAAXEQADAQAAAAAAAAAAAAAAAAAQgfAA/9oACAEDAQE/ENJGSH//xAAUEQEAAAAAAAAAAAAAAAAAAAAg/9oA" +
      "CAECAQE/EEAf/8QAFBABAAAAAAAAAAAAAAAAAAAAQP/aAAgBAQABPxBH/9k=",
    "base64"
  ),
  grey: Buffer.from(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19i" +
      "Z2hnPk1xeXBkeFxlZ2P/wAALCAAgADABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAABQcG/8QAFhAAAwAAAAAAAAAAAAAAAAAAAARB" +
      "/9oACAEBAAA/AMQvBReCi8FF4KLwUXhG14KLwUXgovBReCi8I2vBReCi8FF4KLwUXhG14KLwUXgovBReCi8P/9k=",
    "base64"
  )
}
