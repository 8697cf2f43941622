/** A view on bytes that may be part of a longer buffer: a plain `DataView` would start at the beginning of that buffer. */
export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
