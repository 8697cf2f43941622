/**
 * Cookies of X servers for a guest, from the file that `xauth` writes. Cookies of local displays are filed under the name of
 * the host. The guest has another name, so they get the family that fits every name.
 */
import * as Utf8 from "../Utf8.ts"
import { viewOf } from "../View.ts"

/** More than this is not read. */
export const cookiesLimit = 256 * 1024

/** Families of addresses in the file: the name of a host, and what fits all. */
const familyLocal = 256
const familyWild = 65_535

interface Cookie {
  readonly family: number
  readonly address: Uint8Array
  readonly number: Uint8Array
  /** All fields behind the address, with their lengths. */
  readonly rest: Uint8Array
}

/** Reads the entries of a file. What follows an incomplete entry is dropped. */
const parse = (bytes: Uint8Array): ReadonlyArray<Cookie> => {
  const view = viewOf(bytes)
  const cookies: Array<Cookie> = []
  let at = 0
  const field = () => {
    if (at + 2 > bytes.length) return undefined
    const end = at + 2 + view.getUint16(at)
    if (end > bytes.length) return undefined
    const content = bytes.subarray(at + 2, end)
    at = end
    return content
  }
  while (at + 2 <= bytes.length) {
    const family = view.getUint16(at)
    at += 2
    const address = field()
    const from = at
    const [number, name, data] = [field(), field(), field()]
    if (address === undefined || number === undefined || name === undefined || data === undefined) break
    cookies.push({ family, address, number, rest: bytes.subarray(from, at) })
  }
  return cookies
}

const write = (cookies: ReadonlyArray<Cookie>): Uint8Array => {
  const bytes = new Uint8Array(cookies.reduce((sum, { address, rest }) => sum + 4 + address.length + rest.length, 0))
  const view = viewOf(bytes)
  let at = 0
  for (const { address, family, rest } of cookies) {
    view.setUint16(at, family)
    view.setUint16(at + 2, address.length)
    bytes.set(address, at + 4)
    bytes.set(rest, at + 4 + address.length)
    at += 4 + address.length + rest.length
  }
  return bytes
}

/**
 * The cookies for one display, with none for others.
 *
 * @param bytes a file of cookies
 * @param number of the display
 * @param hostname the name of the host; cookies of other hosts stay as they are
 * @returns another file of cookies; `undefined` if there is none for the display
 */
export const cookiesFor = (bytes: Uint8Array, number: string, hostname: string): Uint8Array | undefined => {
  const fitting = parse(bytes).filter((cookie) => cookie.number.length === 0 || Utf8.decode(cookie.number) === number)
  if (fitting.length === 0) return undefined
  const ours = (cookie: Cookie) => cookie.family === familyLocal && Utf8.decode(cookie.address) === hostname
  // The first cookie that fits is taken: those of this host come before those that fit every host.
  const own = fitting.filter(ours).map(({ number, rest }) => ({
    family: familyWild,
    address: new Uint8Array(),
    number,
    rest
  }))
  return write([...own, ...fitting.filter((cookie) => !ours(cookie))])
}
