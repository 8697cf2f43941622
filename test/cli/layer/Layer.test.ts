import { assert, describe, it } from "@effect/vitest"
import { compressionLevel } from "../../../src/cli/layer/Create.ts"
import { lines, numbered } from "../../../src/cli/layer/List.ts"
import { nextNumber } from "../../../src/cli/layer/Managed.ts"

describe("FIM_COMPRESSION_LEVEL", () => {
  it.each([
    [undefined, 6],
    ["", 6],
    ["fast", 6],
    ["3x", 6],
    ["1.5", 6],
    ["0", 0],
    ["4", 4],
    [" 9 ", 9],
    ["10", 9],
    ["99999999999999999999", 9],
    ["-1", 0]
  ])("%j is level %d", (text, level) => assert.strictEqual(compressionLevel(text), level))
})

describe("the number of the next layer", () => {
  it.each([
    [[], 0],
    [["layer-000.layer"], 1],
    [["layer-009.layer", "layer-010.layer", "layer-2.layer"], 11],
    [["layer-000.layer.part", "other-005.layer", "layer-x.layer", "layer-7"], 0],
    [["layer-999.layer"], 1000]
  ])("behind %j is %d", (names, number) => assert.strictEqual(nextNumber(names), number))
})

describe("a list", () => {
  const layers = numbered({
    layers: [
      { path: "/app", offset: 100, size: 2000 },
      { path: "/some:layer", offset: 0, size: 3 },
      { path: "/data/layers/layer-000.layer", offset: 0, size: 12 }
    ],
    identity: "",
    embedded: 1,
    listed: 1
  })

  it("has a line for each, the path last", () =>
    assert.deepStrictEqual(lines(layers, "short"), [
      "0:100:2000:/app",
      "1:0:3:/some:layer",
      "2:0:12:/data/layers/layer-000.layer"
    ]))

  it("says where each is from when it is long", () =>
    assert.deepStrictEqual(lines(layers, "long"), [
      "INDEX  FROM        OFFSET  SIZE  PATH",
      "0      image       100     2000  /app",
      "1      FIM_LAYERS  0       3     /some:layer",
      "2      data        0       12    /data/layers/layer-000.layer"
    ]))
})
