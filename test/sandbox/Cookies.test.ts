import { assert, describe, it } from "@effect/vitest"
import { cookiesFor } from "../../src/sandbox/Cookies.ts"

const field = (text: string) => Buffer.concat([Buffer.from([text.length >> 8, text.length & 0xff]), Buffer.from(text)])
const cookie = (family: number, address: string, number: string, data: string) =>
  Buffer.concat([
    Buffer.from([family >> 8, family & 0xff]),
    ...[address, number, "MIT-MAGIC-COOKIE-1", data].map(field)
  ])
const local = 256
const wild = 65_535

describe("the cookies for a display", () => {
  it("fit the name of every host if they are of this one, and are of this display only", () => {
    const file = Buffer.concat([
      cookie(local, "other", "77", "b"),
      cookie(wild, "", "", "c"),
      cookie(local, "lighthouse", "77", "a"),
      cookie(local, "lighthouse", "78", "not"),
      cookie(0, "\u0001\u0002\u0003\u0004", "77", "d")
    ])
    const expected = Buffer.concat([
      cookie(wild, "", "77", "a"),
      cookie(local, "other", "77", "b"),
      cookie(wild, "", "", "c"),
      cookie(0, "\u0001\u0002\u0003\u0004", "77", "d")
    ])
    assert.deepStrictEqual(Buffer.from(cookiesFor(file, "77", "lighthouse")!), expected)
  })

  it("are none where the file has none for it, or is something else", () => {
    assert.isUndefined(cookiesFor(cookie(local, "lighthouse", "1", "a"), "77", "lighthouse"))
    assert.isUndefined(cookiesFor(new Uint8Array(), "77", "lighthouse"))
    assert.isUndefined(cookiesFor(Buffer.from("no cookies at all, but text"), "77", "lighthouse"))
  })

  it("are those before the end of a file that was cut off", () => {
    const first = cookie(local, "h", "7", "a")
    const file = Buffer.concat([first, cookie(local, "h", "7", "b").subarray(0, 20)])
    assert.deepStrictEqual(Buffer.from(cookiesFor(file, "7", "h")!), cookie(wild, "", "7", "a"))
  })
})
