import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parse } from "../src/StopTimeout.ts"

describe("FIM_STOP_TIMEOUT", () => {
  it("is a whole number of seconds, and absent by default", () => {
    for (
      const [text, seconds] of [[undefined, undefined], ["", undefined], ["0", 0], ["90", 90], [
        "86400",
        86_400
      ]] as const
    ) {
      assert.deepStrictEqual(parse(text), Result.succeed(seconds))
    }
  })

  it("is refused with its value otherwise", () => {
    for (const text of ["-1", "1.5", "1s", "86401", "1\n", " 1"]) {
      const parsed = parse(text)
      assert.isTrue(Result.isFailure(parsed) && parsed.failure.message.startsWith("FIM_STOP_TIMEOUT is '"), text)
    }
  })
})
