import * as host from "fim:host"

export class TextEncoder {
  readonly encoding = "utf-8"

  encode(text = ""): Uint8Array<ArrayBuffer> {
    return new Uint8Array(host.encode(text))
  }

  encodeInto(text: string, into: Uint8Array): { readonly read: number; readonly written: number } {
    const bytes = this.encode(text)
    if (bytes.length <= into.length) {
      into.set(bytes)
      return { read: text.length, written: bytes.length }
    }
    // As many whole characters as fit.
    const written = wholeCharacters(bytes, into.length)
    into.set(bytes.subarray(0, written))
    return { read: host.decode(bytes.subarray(0, written), false)?.length ?? 0, written }
  }
}

/** The length of a UTF-8 character by its first byte; 0 for an invalid first byte. */
const lengthOf = (first: number): number => {
  if (first < 0x80) return 1
  if (first < 0xc2) return 0
  if (first < 0xe0) return 2
  if (first < 0xf0) return 3
  return first < 0xf5 ? 4 : 0
}

/** How many of the first `limit` bytes belong to whole characters. */
const wholeCharacters = (bytes: Uint8Array, limit: number): number => {
  for (let back = 1; back <= 3 && back <= limit; back++) {
    const byte = bytes[limit - back] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    return lengthOf(byte) > back ? limit - back : limit
  }
  return limit
}

const bytesOf = (input: ArrayBuffer | ArrayBufferView | undefined): Uint8Array => {
  if (input === undefined) return new Uint8Array(0)
  if (input instanceof Uint8Array) return input
  return ArrayBuffer.isView(input)
    ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
    : new Uint8Array(input)
}

const latin1 = new Set(["ascii", "us-ascii", "iso-8859-1", "latin1", "windows-1252"])
const utf8 = new Set(["utf-8", "utf8", "unicode-1-1-utf-8"])

/** Decodes UTF-8, and Latin-1 with each byte as one character. */
export class TextDecoder {
  readonly encoding: string
  readonly fatal: boolean
  readonly ignoreBOM: boolean
  /** The beginning of an incomplete character. */
  #rest = new Uint8Array(0)
  /** Whether text was decoded since the beginning of the stream. */
  #started = false

  constructor(label = "utf-8", options: { readonly fatal?: boolean; readonly ignoreBOM?: boolean } = {}) {
    const name = label.trim().toLowerCase()
    if (!utf8.has(name) && !latin1.has(name)) throw new RangeError(`The encoding '${label}' is not supported`)
    this.encoding = utf8.has(name) ? "utf-8" : "windows-1252"
    this.fatal = options.fatal === true
    this.ignoreBOM = options.ignoreBOM === true
  }

  decode(input?: ArrayBuffer | ArrayBufferView, options: { readonly stream?: boolean } = {}): string {
    let bytes = bytesOf(input)
    if (this.encoding !== "utf-8") return host.toLatin1(bytes)
    if (this.#rest.length > 0) {
      const joined = new Uint8Array(this.#rest.length + bytes.length)
      joined.set(this.#rest)
      joined.set(bytes, this.#rest.length)
      bytes = joined
      this.#rest = new Uint8Array(0)
    }
    if (options.stream === true) {
      const whole = wholeCharacters(bytes, bytes.length)
      this.#rest = bytes.slice(whole)
      bytes = bytes.subarray(0, whole)
    }
    const text = host.decode(bytes, this.fatal)
    if (text === undefined) {
      this.#started = false
      throw new TypeError("The encoded data was not valid for encoding utf-8")
    }
    const hasMark = !this.#started && !this.ignoreBOM && text.charCodeAt(0) === 0xfeff
    this.#started = options.stream === true && (this.#started || text !== "")
    return hasMark ? text.slice(1) : text
  }
}
