// Effect's digests are effects: the names of files that are made from them are not.
// @effect-diagnostics-next-line nodeBuiltinImport:off
import { createHash } from "node:crypto"

/** SHA-256 of bytes, in hexadecimal digits. */
export const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex")
