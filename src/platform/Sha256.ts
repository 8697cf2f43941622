/** SHA-256 in hexadecimal digits. */
import * as Hex from "effect/encoding/Hex"
import * as Utf8 from "../Utf8.ts"
import { digest, type Shape as Native } from "./NativeBytes.ts"

/** SHA-256 of bytes, or of a text in UTF-8, in hexadecimal digits. */
export const sha256 = (native: Native, content: Uint8Array | string): string =>
  Hex.encode(digest(native, "sha256", typeof content === "string" ? Utf8.encode(content) : content))
