import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Manifest from "../../src/image/Manifest.ts"
import { smallTools } from "./SmallImage.ts"

const { table } = smallTools()
const tool = table.tools[0] as Manifest.Tool

const reasonOf = (bytes: Uint8Array) => {
  const result = Manifest.decode(bytes)
  return Result.isSuccess(result) ? undefined : result.failure.reason
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))

describe("a tool table", () => {
  it.prop("is what was encoded", { value: Arbitrary.schema(Manifest.ToolTable) }, ({ value }) => {
    assert.deepStrictEqual(Manifest.decode(Result.getOrThrow(Manifest.encode(value))), Result.succeed(value))
  }, { arbitrary: { runs: 200 } })

  it("may have a megabyte and not a byte more", () => {
    const fill = (length: number) => json({ ...table, extra: "x".repeat(length) })
    const room = Manifest.maxTableSize - fill(0).length
    assert.strictEqual(fill(room).length, Manifest.maxTableSize)
    assert.strictEqual(reasonOf(fill(room)), undefined)
    assert.strictEqual(reasonOf(fill(room + 1)), "TooLarge")
    const applets = Array.from({ length: 30_000 }, (_, index) => `applet-with-a-rather-long-name-${index}`)
    assert.isTrue(Result.isFailure(Manifest.encode({ ...table, applets })))
  })

  it("is refused when it is not one", () => {
    assert.strictEqual(reasonOf(new Uint8Array([0x22, 0xff, 0x22])), "NotUtf8")
    assert.strictEqual(reasonOf(new TextEncoder().encode("{")), "Invalid")
    assert.strictEqual(reasonOf(json([])), "Invalid")
    assert.strictEqual(reasonOf(json({ ...table, format: 2 })), "Invalid")
    assert.strictEqual(reasonOf(json({ ...table, commit: "short" })), "Invalid")
    assert.strictEqual(reasonOf(json({ ...table, timestamp: "2026" })), "Invalid")
    assert.strictEqual(reasonOf(json({ ...table, tools: [tool, tool] })), "Invalid")
  })

  it("names nothing outside the application directory", () => {
    for (
      const path of [
        "/bin/x",
        "../bin/x",
        "bin/../x",
        "bin/..",
        "bin/.",
        "bin/",
        "bin",
        "etc/x",
        "bin/a/b",
        "bin/a\0",
        "x"
      ]
    ) {
      assert.strictEqual(reasonOf(json({ ...table, tools: [{ ...tool, path }] })), "Invalid", path)
    }
    for (const applet of ["..", ".", "", "a/b", "a\nb", "/ls"]) {
      assert.strictEqual(reasonOf(json({ ...table, applets: [applet] })), "Invalid", applet)
    }
  })

  it("has numbers and checksums that can be", () => {
    const bad = [{ size: -1 }, { size: 1.5 }, { size: 2 ** 53 }, { mode: 0o4755 }, { mode: -1 }, { sha256: "AB" }, {
      encoding: "xz"
    }]
    for (const fields of bad) {
      assert.strictEqual(reasonOf(json({ ...table, tools: [{ ...tool, ...fields }] })), "Invalid")
    }
  })

  it.prop("gives a value or a failure for any bytes", [Arbitrary.array(Arbitrary.schema(Byte), { maxLength: 200 })], (
    [bytes]
  ) => {
    Manifest.decode(Uint8Array.from(bytes))
  }, { arbitrary: { runs: 500 } })
})
