import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib"
import { splitFrames } from "../../src/image/ZstdFrames.ts"

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const arbitraryBytes = Arbitrary.map(
  Arbitrary.array(Arbitrary.schema(Byte), { maxLength: 200 }),
  (bytes) => Buffer.from(bytes)
)
const arbitraryContents = Arbitrary.array(
  Arbitrary.all([
    arbitraryBytes,
    Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3000 }))),
    Arbitrary.schema(Schema.Boolean)
  ]),
  { minLength: 1, maxLength: 5 }
)

describe("splitFrames", () => {
  it.prop("cuts where the frames end", [arbitraryContents], ([contents]) => {
    const plain = contents.map(([bytes, times]) => Buffer.concat(Array.from({ length: times }, () => bytes)))
    const packed = plain.map((bytes, index) =>
      zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: contents[index]?.[2] === true ? 1 : 0 } })
    )
    const frames = Result.getOrThrow(splitFrames(Buffer.concat(packed)))
    assert.deepStrictEqual(frames.map((frame) => frame.length), packed.map((frame) => frame.length))
    assert.deepStrictEqual(frames.map((frame) => zstdDecompressSync(frame)), plain)
  }, { arbitrary: { runs: 100 } })

  it("cuts behind blocks that repeat one byte", () => {
    const frame = zstdCompressSync(Buffer.alloc(1 << 20, 7))
    assert.deepStrictEqual(Result.getOrThrow(splitFrames(Buffer.concat([frame, frame]))).map((one) => one.length), [
      frame.length,
      frame.length
    ])
  })

  it("refuses what is cut off at any byte, and what follows", () => {
    const frame = zstdCompressSync(Buffer.from("content ".repeat(100)))
    for (let length = 0; length < frame.length; length++) {
      assert.isTrue(Result.isFailure(splitFrames(frame.subarray(0, length))), `cut at ${length}`)
    }
    assert.isTrue(Result.isFailure(splitFrames(Buffer.concat([frame, Buffer.from("trailing")]))))
  })

  it.prop("gives frames or a failure for any bytes", [arbitraryBytes], ([bytes]) => {
    splitFrames(bytes)
    splitFrames(Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), bytes]))
    splitFrames(Buffer.concat([Buffer.from([0x50, 0x2a, 0x4d, 0x18]), bytes]))
  }, { arbitrary: { runs: 500 } })
})
