import * as host from "fim:host"
import { Buffer } from "./buffer.js"
export const createHash = (name) => {
  const i = host.hashStart(name)
  const self = {
    update(b) { host.hashUpdate(i, typeof b === "string" ? new Uint8Array(host.encode(b)) : b); return self },
    digest(e) { const b = new Buffer(host.hashEnd(i)); return e === undefined ? b : b.toString(e) }
  }
  return self
}
export const randomBytes = (n) => { const b = new Buffer(n); host.random(new Uint8Array(b.buffer)); return b }
