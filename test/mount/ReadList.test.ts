import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { ofLayer } from "../../src/mount/ReadList.ts"

const Layer = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 }))
const Byte = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 255 }))
const Entries = Schema.Array(Schema.Struct({ layer: Layer, rest: Schema.Array(Byte) }))

describe("a list of reads", () => {
  it.prop("has the entries of each layer in their order", { entries: Entries, layer: Layer }, ({ entries, layer }) => {
    const bytes = (of: typeof entries, isNamed: boolean) =>
      Buffer.concat(
        of.flatMap(({ layer, rest }) => [Buffer.from(isNamed ? `${layer} ` : ""), Buffer.from(rest), Buffer.of(0)])
      )
    const expected = bytes(entries.filter((entry) => entry.layer === layer), false)
    assert.deepStrictEqual(Buffer.from(ofLayer(bytes(entries, true), layer)), expected)
  })

  it("has no entry that is cut off", () => {
    assert.deepStrictEqual(Buffer.from(ofLayer(Buffer.from("0 1 2 a\x000 1 2 b"), 0)), Buffer.from("1 2 a\0"))
  })
})
