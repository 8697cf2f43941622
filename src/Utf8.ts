/** Text in UTF-8, without loss of a byte order mark. */
const encoder = new TextEncoder()

// A decoder removes the mark by default.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** A lone surrogate becomes U+FFFD. */
export const encode = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text)

/** Each sequence of bytes that is not UTF-8 becomes U+FFFD. */
export const decode = (bytes: Uint8Array): string => decoder.decode(bytes)
