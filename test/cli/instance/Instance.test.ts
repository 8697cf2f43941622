import { assert, describe, it } from "@effect/vitest"
import { age } from "../../../src/cli/instance/Instance.ts"

describe("the age of an instance", () => {
  it("has one unit", () => {
    for (
      const [seconds, text] of [[-1, "0 s"], [0, "0 s"], [59, "59 s"], [60, "1 min"], [7199, "1 h"], [
        172_800,
        "2 d"
      ]] as const
    ) {
      assert.strictEqual(age(seconds), text)
    }
  })
})
