import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { Inspector } from "../../src/image/Inspect.ts"
import { reservedSize, slots } from "../../src/image/ReservedLayout.ts"
import * as Platform from "../support/Platform.ts"
import { blob, launcherLayout, smallImage, smallLayer } from "./SmallImage.ts"

const TestLayer = Inspector.layer.pipe(Layer.provideMerge(Platform.layer))

const inspect = Effect.fnUntraced(function*(bytes: Uint8Array) {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped()}/image`
  yield* fs.writeFile(path, bytes)
  return yield* (yield* Inspector).inspect(path)
})

const image = smallImage()
const layerSize = smallLayer("lower").length

/** Each damage and what is said about it. Places are in bytes of the image. */
const damages: ReadonlyArray<readonly [name: string, damage: (bytes: Buffer) => Buffer | void, expected: RegExp]> = [
  ["no ELF", (bytes) => void bytes.fill(0, 0, 4), /does not begin with an ELF header/],
  ["32 bit", (bytes) => void bytes.writeUInt8(1, 4), /only 64-bit/],
  ["first mark", (bytes) => void bytes.writeUInt8(0, 8), /marks F, I and 1/],
  ["second mark", (bytes) => void bytes.writeUInt8(0, 9), /marks F, I and 1/],
  ["third mark", (bytes) => void bytes.writeUInt8(2, 10), /marks F, I and 1/],
  ["segment out of the file", (bytes) => void bytes.writeUInt8(0x7f, 64 + 36), /head ends at byte .* beyond the end/],
  ["segment out of range", (bytes) => void bytes.writeUInt8(0x7f, 64 + 15), /program segment is out of range/],
  ["name of the section", (bytes) => void bytes.write("x", launcherLayout.names + 2), /section \.fim_reserved_offset/],
  [
    "reserved offset zero",
    (bytes) => void bytes.writeBigUInt64LE(0n, launcherLayout.section),
    /reserved offset 0 is not/
  ],
  [
    "reserved offset beyond",
    (bytes) => void bytes.writeBigUInt64LE(1n << 40n, launcherLayout.section),
    /reserved offset \d+ is not within/
  ],
  [
    "reserved offset off by one",
    (bytes) => void bytes.writeBigUInt64LE(BigInt(image.reservedAt + 1), launcherLayout.section),
    /tools end at byte .* but the reserved offset/
  ],
  ["size of the table", (bytes) => void bytes.writeBigUInt64LE(1n << 62n, image.tableAt), /tool table reaches beyond/],
  ["table", (bytes) => void bytes.write("]", image.tableAt + 8), /tool table is not valid/],
  ["table not UTF-8", (bytes) => void bytes.writeUInt8(0xff, image.tableAt + 10), /not UTF-8/],
  ["size of a tool", (bytes) => void bytes.writeBigUInt64LE(1n << 40n, image.toolAt), /bin\/tool reaches beyond/],
  ["tool not zstd", (bytes) => void bytes.writeUInt8(0, image.toolAt + 8), /bin\/tool is not zstd data/],
  [
    "checksum of a tool",
    (bytes) => {
      const at = bytes.indexOf("\"sha256\":\"") + 10
      bytes.write(bytes[at] === 0x30 ? "1" : "0", at)
    },
    /bin\/tool does not have the SHA-256/
  ],
  [
    "size in the table",
    (bytes) => void bytes.write("\"size\":201", bytes.indexOf("\"size\":200")),
    /bin\/tool has 200 bytes, not 201/
  ],
  [
    "smaller size in the table",
    (bytes) => void bytes.write("\"size\":199", bytes.indexOf("\"size\":200")),
    /bin\/tool .*more/
  ],
  [
    "setting",
    (bytes) => void bytes.writeUInt8(9, image.reservedAt + slots.overlay.offset),
    /setting overlay is not valid/
  ],
  ["unknown permission", (bytes) => void bytes.writeUInt8(0x80, image.reservedAt + 7), /setting permissions/],
  ["reserved space cut off", (bytes) => bytes.subarray(0, image.layersAt - 1), /reserved space is cut off/],
  ["no layer", (bytes) => bytes.subarray(0, image.layersAt), /there is no layer/],
  ["size of a layer", (bytes) => void bytes.writeBigUInt64LE(1n << 40n, image.layersAt), /a layer says it has/],
  ["magic of a layer", (bytes) => void bytes.writeUInt8(0, image.layersAt + 8), /bytes follow that belong to no layer/],
  ["version of a layer", (bytes) => void bytes.writeUInt8(2, image.layersAt + 15), /layer 0: the DwarFS version 2\.2/],
  [
    "major version of a layer",
    (bytes) => void bytes.writeUInt8(3, image.layersAt + 14),
    /layer 0: the DwarFS version 3/
  ],
  [
    "checksum of a section",
    (bytes) => void bytes.writeUInt8(1, image.layersAt + 16),
    /layer 0: the checksum of section 0/
  ],
  [
    "number of a section",
    (bytes) => void bytes.writeUInt32LE(5, image.layersAt + 8 + 48),
    /layer 0: section 0 says it is number 5/
  ],
  [
    "length of a section",
    (bytes) => void bytes.writeBigUInt64LE(1n << 40n, image.layersAt + 8 + 56),
    /layer 0: section 0 reaches beyond/
  ],
  [
    "content of the upper layer",
    (bytes) => void bytes.writeUInt8(0, bytes.length - 1),
    /layer 1: the checksum of section 1/
  ],
  ["cut off", (bytes) => bytes.subarray(0, bytes.length - 1), /a layer says it has/],
  ["trailing bytes", (bytes) => Buffer.concat([bytes, Buffer.alloc(9)]), /9 bytes follow/],
  ["a few trailing bytes", (bytes) => Buffer.concat([bytes, Buffer.from("abc")]), /3 bytes are left/],
  ["empty file", () => Buffer.alloc(0), /ELF header/]
]

it.layer(TestLayer)("inspect", (it) => {
  it.effect("says what a sound image consists of", () =>
    Effect.gen(function*() {
      const found = yield* inspect(image.bytes)
      assert.deepStrictEqual(found.problems, [])
      assert.deepStrictEqual(found.parts.map(({ name, offset, size }) => [name, offset, size]), [
        ["head", 0, image.tableAt],
        ["tool table", image.tableAt + 8, image.toolAt - image.tableAt - 8],
        ["bin/tool", image.toolAt + 8, image.reservedAt - image.toolAt - 8],
        ["reserved space", image.reservedAt, reservedSize],
        ["layer 0", image.layersAt + 8, layerSize],
        ["layer 1", image.layersAt + 16 + layerSize, layerSize]
      ])
      assert.strictEqual(found.version, "0.1.0 0123abc 20260102030405")
    }))

  it.effect.each(damages)("finds damage: %s", ([, damage, expected]) =>
    Effect.gen(function*() {
      const bytes = Buffer.from(image.bytes)
      const found = yield* inspect(damage(bytes) ?? bytes)
      assert.isTrue(found.problems.some((problem) => expected.test(problem)), found.problems.join("\n"))
    }))

  it.effect("misses metadata", () =>
    Effect.gen(function*() {
      const layer = smallLayer()
      const found = yield* inspect(smallImage([layer.subarray(0, layer.length / 2)]).bytes)
      assert.deepStrictEqual(found.problems.length, 1)
      assert.match(found.problems[0] ?? "", /metadata are missing/)
    }))

  it.effect("never dies, whatever byte of the front is changed", () =>
    Effect.gen(function*() {
      const small = smallImage([]).bytes
      for (let at = 0; at < image.reservedAt; at += 29) {
        const bytes = Buffer.concat([small, blob(smallLayer())])
        bytes.writeUInt8((bytes[at] ?? 0) ^ 0xff, at)
        yield* inspect(bytes)
      }
    }), 20_000)

  it.effect("fails when there is no file", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip((yield* Inspector).inspect("/nonexistent/image"))
      assert.strictEqual(error._tag, "PlatformError")
    }))
})

describe("the small image", () => {
  it("has the layout that the tests rely on", () => {
    assert.strictEqual(image.bytes.subarray(image.layersAt + 8, image.layersAt + 14).toString(), "DWARFS")
  })
})
