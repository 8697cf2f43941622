import { assert, describe, it } from "@effect/vitest"
import { byNumber } from "../../src/mount/LayerStack.ts"

/** Every order of a few names. */
const orders = (names: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  names.length < 2
    ? [names]
    : names.flatMap((name, index) => orders(names.toSpliced(index, 1)).map((rest) => [name].concat(rest)))

describe("names of layers", () => {
  it.each([
    [["layer-2", "layer-10"]],
    [["layer-009.layer", "layer-10.layer", "layer-100.layer"]],
    [["layer-999", "layer-1000", "layer-9999999999999999998", "layer-9999999999999999999"]],
    [["1", "1.2", "1.10", "2"]],
    [["", "0", "a", "a1", "a1b", "b"]],
    [["a1b2", "a1b10", "a2b1"]],
    [["Z", "a", "ä"]],
    [["layer", "layer-1", "layer-1.old"]]
  ])("are in the order %j", (names) => {
    for (const order of orders(names)) assert.deepStrictEqual([...order].sort(byNumber), names)
  })

  it("with equal numbers are in the same order wherever they begin", () => {
    const once = ["a01", "a1", "a001"].sort(byNumber)
    for (const order of orders(once)) assert.deepStrictEqual([...order].sort(byNumber), once)
  })

  it("are equal to themselves only", () => {
    assert.strictEqual(byNumber("layer-1", "layer-1"), 0)
    assert.notStrictEqual(byNumber("layer-1", "layer-01"), 0)
  })
})
