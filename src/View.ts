/** A view on bytes that may be a part of a longer buffer, whose own beginning a view would start at. */
export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
