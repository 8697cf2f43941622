import { sys } from "./sys.js"
export class Buffer extends Uint8Array {
  static alloc(n) { return new Buffer(n) }
  static allocUnsafe(n) { return new Buffer(n) }
  static isBuffer(b) { return b instanceof Buffer }
  static byteLength(t) { return typeof t === "string" ? sys.utf8(t).byteLength : t.byteLength }
  static from(v, e, n) {
    if (typeof v === "string") {
      if (e === "latin1" || e === "binary" || e === "ascii") { const b = new Buffer(v.length); for (let i = 0; i < v.length; i++) b[i] = v.charCodeAt(i); return b }
      if (e === "hex") { const b = new Buffer(v.length >> 1); for (let i = 0; i < b.length; i++) b[i] = parseInt(v.slice(2 * i, 2 * i + 2), 16); return b }
      if (e === "base64" || e === "base64url") { const s = atob(v.replaceAll("-", "+").replaceAll("_", "/")); return Buffer.from(s, "latin1") }
      return new Buffer(sys.utf8(v))
    }
    if (v instanceof ArrayBuffer || v instanceof SharedArrayBuffer) return new Buffer(v, e ?? 0, n ?? v.byteLength - (e ?? 0))
    const b = new Buffer(v.length); b.set(v); return b
  }
  static concat(list, n) { n ??= list.reduce((a, b) => a + b.length, 0); const b = new Buffer(n); let at = 0; for (const p of list) { b.set(at + p.length > n ? p.subarray(0, n - at) : p, at); at += p.length } return b }
  static compare(a, b) { return sys.compare(a, b) }
  static compareSlow(a, b) { const n = Math.min(a.length, b.length); for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1; return a.length === b.length ? 0 : a.length < b.length ? -1 : 1 }
  get view() { return new DataView(this.buffer, this.byteOffset, this.byteLength) }
  compare(o, ts = 0, te = o.length, ss = 0, se = this.length) { return Buffer.compare(this.subarray(ss, se), o.subarray(ts, te)) }
  equals(o) { return Buffer.compare(this, o) === 0 }
  toString(e = "utf8", from = 0, to = this.length) {
    const b = from === 0 && to >= this.length ? this : this.subarray(from, to)
    if (e === "utf8" || e === "utf-8") return sys.text(b, false)
    if (e === "latin1" || e === "binary") return sys.latin1(b)
    if (e === "hex") return sys.hex(b)
    if (e === "base64") return btoa(sys.latin1(b))
    throw new TypeError(`Unknown encoding: ${e}`)
  }
  toJSON() { return { type: "Buffer", data: [...this] } }
  readUInt8(at = 0) { return this[at] }
  readUInt16LE(at = 0) { return this.view.getUint16(at, true) } readUInt32LE(at = 0) { return this.view.getUint32(at, true) } readUInt32BE(at = 0) { return this.view.getUint32(at, false) }
  readInt32LE(at = 0) { return this.view.getInt32(at, true) } readBigUInt64LE(at = 0) { return this.view.getBigUint64(at, true) }
  writeUInt32LE(v, at = 0) { this.view.setUint32(at, v, true); return at + 4 } writeUInt16LE(v, at = 0) { this.view.setUint16(at, v, true); return at + 2 }
  writeBigUInt64LE(v, at = 0) { this.view.setBigUint64(at, v, true); return at + 8 } writeUInt8(v, at = 0) { this[at] = v; return at + 1 }
  write(t, at = 0) { const b = new Uint8Array(sys.utf8(t)); this.set(b, at); return b.length }
  copy(to, at = 0, from = 0, end = this.length) { const p = this.subarray(from, end); to.set(p, at); return p.length }
}
globalThis.Buffer = Buffer
