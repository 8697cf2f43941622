import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Layers from "../../src/image/Layers.ts"
import { reservedSize } from "../../src/image/ReservedLayout.ts"
import { blob } from "./SmallImage.ts"

const runs = { arbitrary: { runs: 300 } }

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const arbitraryBytes = Arbitrary.map(
  Arbitrary.array(Arbitrary.schema(Byte), { maxLength: 120 }),
  (bytes) => Buffer.from(bytes)
)
const arbitraryLayers = Arbitrary.array(
  Arbitrary.map(arbitraryBytes, (bytes) => Buffer.concat([Buffer.from("DWARFS"), bytes])),
  { maxLength: 12 }
)

/** Scans bytes as if they followed the reserved space, and counts the reads. */
const scan = (bytes: Uint8Array, reads: Array<number> = []) => {
  const start = 100 + reservedSize
  return Layers.scan(
    (position, length) =>
      Effect.sync(() => {
        reads.push(length)
        return bytes.subarray(position - start, position - start + length)
      }),
    100,
    start + bytes.length
  )
}

const reasonOf = (bytes: Uint8Array) => Effect.map(Effect.flip(scan(bytes)), (error) => [error.reason, error.offset])

const nothing = () => Effect.succeed(new Uint8Array())

const at = (offset: number) => 100 + reservedSize + offset

describe("scan", () => {
  it.effect.prop(
    "finds the layers that were written, with one read each",
    [arbitraryLayers],
    ([layers]) =>
      Effect.gen(function*() {
        const reads: Array<number> = []
        const found = yield* scan(Buffer.concat(layers.map(blob)), reads)
        let offset = at(0)
        const expected = layers.map((layer, index) => {
          const entry = { index, offset: offset + 8, size: layer.length }
          offset += 8 + layer.length
          return entry
        })
        assert.deepStrictEqual(found, { layers: expected, end: offset, stop: "EndOfFile" })
        assert.strictEqual(reads.length, layers.length)
        assert.isTrue(reads.every((length) => length <= 14))
      }),
    runs
  )

  it.effect.prop(
    "gives a value or a LayersError for any bytes",
    [arbitraryBytes, arbitraryLayers],
    ([bytes, layers]) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(scan(Buffer.concat([...layers.map(blob), bytes])))
        if (Exit.isFailure(exit)) {
          assert.isTrue(exit.cause.reasons.every((reason) => reason._tag === "Fail"))
        } else {
          assert.isTrue(exit.value.layers.length >= layers.length)
        }
      }),
    runs
  )

  it.effect("ends at a size of zero and at what is not DwarFS", () =>
    Effect.gen(function*() {
      const layer = blob(Buffer.from("DWARFS and more"))
      assert.deepStrictEqual(yield* scan(Buffer.concat([layer, Buffer.alloc(20)])), {
        layers: [{ index: 0, offset: at(8), size: 15 }],
        end: at(23),
        stop: "SizeZero"
      })
      assert.deepInclude(yield* scan(blob(Buffer.from("SQUASHFS"))), { layers: [], end: at(0), stop: "NotDwarFS" })
      assert.deepInclude(yield* scan(blob(Buffer.from("DWARF"))), { layers: [], stop: "NotDwarFS" })
    }))

  it.effect("refuses a layer that is cut off, and says where", () =>
    Effect.gen(function*() {
      const layer = blob(Buffer.from("DWARFS and more"))
      assert.deepStrictEqual(yield* reasonOf(layer.subarray(0, layer.length - 1)), ["Oversized", at(0)])
      assert.deepStrictEqual(yield* reasonOf(Buffer.concat([layer, layer.subarray(0, 20)])), ["Oversized", at(23)])
      assert.deepStrictEqual(yield* reasonOf(Buffer.concat([layer, Buffer.from([1, 2, 3])])), ["Truncated", at(23)])
      const huge = Buffer.concat([Buffer.alloc(8, 0xff), Buffer.from("DWARFS")])
      assert.deepStrictEqual(yield* reasonOf(huge), ["Oversized", at(0)])
    }))

  it.effect("refuses a reserved space that is not within the file", () =>
    Effect.gen(function*() {
      for (const [offset, size] of [[100, reservedSize + 99], [-1, reservedSize * 2], [2 ** 53, 2 ** 53], [NaN, 10]]) {
        const error = yield* Effect.flip(Layers.scan(nothing, offset ?? 0, size ?? 0))
        assert.strictEqual(error.reason, "BeyondEnd")
      }
    }))

  it.effect("fails with what its reader fails with", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layers.scan(() => Effect.fail("disk" as const), 0, reservedSize + 100))
      assert.strictEqual(error, "disk")
    }))
})

describe("probe", () => {
  it("takes a short read for a layer that is cut off", () => {
    assert.isTrue(Result.isFailure(Layers.probe(new Uint8Array(3), 0, 100)))
  })
})
