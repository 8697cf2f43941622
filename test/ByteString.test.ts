import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as ByteString from "../src/ByteString.ts"
import * as Utf8 from "../src/Utf8.ts"

const Bytes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))

describe("a byte string", () => {
  it.prop("has a character for each byte", { numbers: Bytes }, ({ numbers }) => {
    const bytes = Uint8Array.from(numbers)
    const text = ByteString.ofBytes(bytes)
    assert.strictEqual(text, Buffer.from(bytes).toString("latin1"))
    assert.deepStrictEqual(ByteString.toBytes(text), bytes)
  })

  it.prop("of a text is that of its UTF-8", { text: Schema.String }, ({ text }) => {
    assert.strictEqual(ByteString.ofText(text), Buffer.from(text).toString("latin1"))
  })

  it.prop(
    "of a text has the bytes that lone surrogates stand for",
    { numbers: Bytes, text: Schema.String },
    (given) => {
      const strays = given.numbers.filter((number) => number >= 0x80)
      const text = strays.map((number) => `${given.text}é${String.fromCharCode(0xdc00 + number)}`).join("x")
      const expected = strays.map((number) => Buffer.concat([Buffer.from(`${given.text}é`), Buffer.of(number)]))
      const separated = expected.flatMap((part, index) => index === 0 ? [part] : [Buffer.from("x"), part])
      assert.strictEqual(ByteString.ofText(text), Buffer.concat(separated).toString("latin1"))
    }
  )

  it("may be longer than a call has arguments", () => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 256)
    assert.strictEqual(ByteString.ofBytes(bytes), Buffer.from(bytes).toString("latin1"))
  })

  // Decoded they have as many characters as bytes, or stand for others.
  it.each([[0xff], [0xef, 0xbf, 0xbd], [0xef, 0xbb, 0xbf, 0x41], [0x80, 0x9f, 0x41]])(
    "is not fooled by %j",
    (...numbers) => {
      const bytes = Uint8Array.from(numbers)
      assert.strictEqual(ByteString.ofBytes(bytes), Buffer.from(bytes).toString("latin1"))
    }
  )
})

describe("UTF-8", () => {
  it("keeps a byte order mark", () => {
    assert.strictEqual(Utf8.decode(Utf8.encode("\ufeffa")), "\ufeffa")
  })

  it.prop("is what Node makes of it", { numbers: Bytes, text: Schema.String }, ({ numbers, text }) => {
    assert.strictEqual(Utf8.decode(Uint8Array.from(numbers)), Buffer.from(numbers).toString("utf8"))
    assert.deepStrictEqual(Buffer.from(Utf8.encode(text)), Buffer.from(text))
  })
})
