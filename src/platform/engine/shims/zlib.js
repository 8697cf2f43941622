import * as host from "fim:host"
export const zstdDecompress = (b, o, done) => { try { done(null, new Uint8Array(host.unzstd(b, o.maxOutputLength))) } catch { done(new Error("cannot be unpacked")) } }
