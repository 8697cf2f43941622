import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as Frames from "../../src/portal/Frames.ts"

/** The same file is read by the tests of the native side. */
const Vectors = Schema.fromJsonString(Schema.Struct({
  decode: Schema.Array(Schema.Struct({
    name: Schema.String,
    limit: Schema.Int,
    stream: Schema.String,
    payloads: Schema.Array(Schema.String)
  })),
  encode: Schema.Array(Schema.Struct({
    name: Schema.String,
    limit: Schema.Int,
    payload: Schema.String,
    frame: Schema.NullOr(Schema.String)
  }))
}))

const vectors = Schema.decodeUnknownSync(Vectors)(
  readFileSync(new URL("../golden/portal-frames.json", import.meta.url), "utf8")
)

const bytes = (hex: string) => Buffer.from(hex, "hex")
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

/** Everything that a decoder finds in a stream that comes in pieces of these sizes, one after the other. */
const decode = (stream: Uint8Array, limit: number, sizes: ReadonlyArray<number>) => {
  const decoder = Frames.makeDecoder(limit)
  const found: Array<string> = []
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    found.push(...decoder.push(stream.subarray(at, at + size)).map(hex))
    at += size
  }
  return found
}

describe("shared vectors", () => {
  it.each(vectors.decode)("decode: $name", ({ limit, payloads, stream }) => {
    for (let size = 1; size <= Math.max(1, stream.length / 2); size++) {
      assert.deepStrictEqual(decode(bytes(stream), limit, [size]), payloads, `in pieces of ${size}`)
    }
  })

  it.each(vectors.encode)("encode: $name", ({ frame, limit, payload }) => {
    const encoded = Frames.encode(bytes(payload), limit)
    assert.strictEqual(encoded === undefined ? null : hex(encoded), frame)
  })
})

/** Some payload, never empty. Half surrogate pairs become what stands for them in UTF-8. */
const payloadOf = (text: string) => Buffer.from(`x${text}`)
const Sizes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })))

/** What a hostile writer may leave between messages: anything, and beginnings of frames. */
const Garbage = Schema.Array(Schema.Union([
  Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })),
  Schema.Literals([0xff, 0x46, 0x49, 0x4d])
]))

describe("properties", () => {
  it.prop("what is encoded is decoded, in pieces of any size", {
    texts: Schema.Array(Schema.String),
    sizes: Sizes
  }, ({ sizes, texts }) => {
    const payloads = texts.map(payloadOf)
    const stream = Buffer.concat(payloads.map((payload) => Frames.encode(payload, Frames.limit) ?? Buffer.alloc(0)))
    assert.deepStrictEqual(decode(stream, Frames.limit, sizes), payloads.map(hex))
  }, { arbitrary: { runs: 300 } })

  it.prop("no garbage between them loses a frame", {
    parts: Schema.Array(Schema.Tuple([Garbage, Schema.String])),
    sizes: Sizes
  }, ({ parts, sizes }) => {
    const stream = Buffer.concat(parts.flatMap(([garbage, text]) => [
      Buffer.from(garbage),
      Frames.encode(payloadOf(text), Frames.limit) ?? Buffer.alloc(0)
    ]))
    // Garbage may by chance be a frame itself; ours are all there, in their order.
    const found = decode(stream, Frames.limit, sizes)
    let from = 0
    for (const [, text] of parts) {
      from = found.indexOf(hex(payloadOf(text)), from) + 1
      assert.isAbove(from, 0, text)
    }
  }, { arbitrary: { runs: 300 } })

  it.prop("every frame that is cut ends with the next one", { text: Schema.String }, ({ text }) => {
    const next = Buffer.from("{\"kind\":\"next\"}")
    const whole = Frames.encode(payloadOf(text), Frames.limit) ?? Buffer.alloc(0)
    const after = Frames.encode(next, Frames.limit) ?? Buffer.alloc(0)
    for (let end = 0; end < whole.length; end++) {
      const found = decode(Buffer.concat([whole.subarray(0, end), after]), Frames.limit, [7])
      assert.deepStrictEqual(found, [hex(next)])
    }
  }, { arbitrary: { runs: 50 } })
})

it("a payload of 8 MiB passes, in the pieces of a pipe", () => {
  const payload = Buffer.alloc(Frames.limit, "x")
  const frame = Frames.encode(payload, Frames.limit) ?? Buffer.alloc(0)
  const [found, ...others] = decode(frame, Frames.limit, [65_536])
  assert.strictEqual(others.length, 0)
  assert.isTrue(found === hex(payload))
})
