import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as Codec from "../../src/messages/Codec.ts"

/** The same file is read by the tests of the native side. */
const Vectors = Schema.fromJsonString(Schema.Struct({
  decode: Schema.Array(Schema.Struct({
    name: Schema.String,
    head: Schema.Int,
    body: Schema.Int,
    stream: Schema.String,
    found: Schema.Array(Schema.Union([
      Schema.Struct({ head: Schema.Unknown, body: Schema.String }),
      Schema.Struct({ malformed: Schema.String })
    ])),
    is_cut: Schema.Boolean
  })),
  encode: Schema.Array(Schema.Struct({
    name: Schema.String,
    head: Schema.Record(Schema.String, Schema.Unknown),
    body: Schema.String,
    message: Schema.String
  }))
}))

const vectors = Schema.decodeUnknownSync(Vectors)(
  readFileSync(new URL("../golden/messages.json", import.meta.url), "utf8")
)

const bytes = (hex: string) => Buffer.from(hex, "hex")
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const limits = { head: 80, body: 40 }

const shown = (found: Codec.Message | Codec.Malformed) => {
  if (found._tag === "Malformed") return { malformed: found.reason }
  try {
    return { head: JSON.parse(found.head) as unknown, body: hex(found.body) }
  } catch {
    return { malformed: "content" }
  }
}

/** Everything that is found in a stream in pieces of these sizes, one after the other, and whether its end is within a message. */
const decode = (stream: Uint8Array, sizes: ReadonlyArray<number>, limits: Codec.Limits) => {
  const decoder = Codec.makeDecoder(limits)
  const found: Array<ReturnType<typeof shown>> = []
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    // The caller's buffer, used again for each piece.
    const piece = Buffer.from(stream.subarray(at, at + size))
    found.push(...decoder.push(piece).map(shown))
    piece.fill(0)
    at += size
  }
  return { found, isCut: !decoder.isEmpty() }
}

describe("shared vectors", () => {
  it.each(vectors.decode)("decode: $name", ({ body, found, head, is_cut: isCut, stream }) => {
    for (let size = 1; size <= Math.max(1, stream.length / 2); size++) {
      assert.deepStrictEqual(
        decode(bytes(stream), [size], { head, body }),
        { found: [...found], isCut },
        `in pieces of ${size}`
      )
    }
  })

  it.each(vectors.encode)("encode: $name", ({ body, head, message }) => {
    assert.strictEqual(hex(Codec.encode(head, bytes(body))), message)
  })
})

const Sizes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 30 })))
const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
/** What messages are made of, and what is none of it. */
const Piece = Schema.Literals([
  "{",
  "}",
  "\"a\"",
  ":",
  "1",
  "\n",
  "\n\n",
  " ",
  " 3\n",
  "{\"a\":1}",
  "{\"a\":1}\n",
  "\u00ff",
  ","
])
const Garbage = Schema.Array(Piece)

describe("properties", () => {
  it.prop("what is encoded is decoded, in pieces of any size", {
    messages: Schema.Array(Schema.Tuple([Schema.Record(Schema.String, Schema.Unknown), Schema.Array(Byte)])),
    sizes: Sizes
  }, ({ messages, sizes }) => {
    const parts = messages.map(([head, body]) => ({ head, body: Buffer.from(body) }))
    const stream = Buffer.concat(parts.map(({ body, head }) => Codec.encode(head, body)))
    assert.deepStrictEqual(decode(stream, sizes, { head: 1 << 20, body: 1 << 20 }), {
      found: parts.map(({ body, head }) => ({
        head: JSON.parse(Buffer.from(JSON.stringify(head)).toString()) as unknown,
        body: hex(body)
      })),
      isCut: false
    })
  }, { arbitrary: { runs: 300 } })

  it.prop("any bytes are found to be the same in pieces of any size", {
    garbage: Garbage,
    random: Schema.Array(Byte),
    sizes: Sizes
  }, ({ garbage, random, sizes }) => {
    const stream = Buffer.concat([Buffer.from(garbage.join(""), "latin1"), Buffer.from(random)])
    assert.deepStrictEqual(decode(stream, sizes, limits), decode(stream, [stream.length + 1], limits))
  }, { arbitrary: { runs: 1000 } })

  it.prop("no garbage costs a message that begins with an empty line", {
    parts: Schema.Array(Garbage),
    sizes: Sizes
  }, ({ parts, sizes }) => {
    const messages = parts.map((_, index) => ({ sound: index }))
    const stream = Buffer.concat(parts.flatMap((garbage, index) => [
      Buffer.from(garbage.join(""), "latin1"),
      Buffer.from("\n"),
      Codec.encode(messages[index] ?? {})
    ]))
    const { found } = decode(stream, sizes, { head: 80, body: 0 })
    const sound = found.flatMap((one) =>
      "head" in one && typeof one.head === "object" && one.head !== null && "sound" in one.head ? [one.head] : []
    )
    assert.deepStrictEqual(sound, messages)
  }, { arbitrary: { runs: 500 } })

  it.prop(
    "a message that is cut is none",
    { head: Schema.Record(Schema.String, Schema.Int), body: Schema.Array(Byte) },
    ({
      body,
      head
    }) => {
      const whole = Codec.encode(head, Buffer.from(body))
      for (let end = 0; end < whole.length; end++) {
        assert.deepStrictEqual(decode(whole.subarray(0, end), [7], { head: 1 << 20, body: 1 << 20 }), {
          found: [],
          isCut: end > 0
        })
      }
    },
    { arbitrary: { runs: 50 } }
  )
})

it("8 MiB pass in the pieces of a pipe, as a line and as a body", () => {
  const size = 8 * 1024 * 1024
  const text = "x".repeat(size - 8)
  const limits = { head: size, body: size }
  const line = decode(Codec.encode({ k: text }), [65_536], limits)
  assert.deepStrictEqual([line.found.length, line.isCut], [1, false])
  const body = decode(Codec.encode({ k: 1 }, Buffer.alloc(size, "\n")), [65_536], limits)
  assert.deepStrictEqual([body.found.length, body.isCut], [1, false])
})
