import { assert, describe, it } from "@effect/vitest"
import { exitCode, reportOf } from "../src/Failure.ts"

const last = "The program exited with an error"

describe("a failure is told", () => {
  it("with its message first, and always with our exit code", () => {
    assert.strictEqual(exitCode, 125)
    const report = reportOf(new Error("no such thing"))
    assert.deepStrictEqual(report, { lines: ["no such thing", last], exitCode: 125 })
  })

  it("with all the lines of a command, in their order", () => {
    const error = { _tag: "CommandError", lines: ["Invalid permission", "Could not parse arguments"] }
    assert.deepStrictEqual(reportOf(error).lines, ["Invalid permission", "Could not parse arguments", last])
  })

  it.each([[undefined, "undefined"], [null, "null"], ["text", "text"], [7, "7"], [new Error("thrown"), "thrown"], [
    { message: 5 },
    "[object Object]"
  ]])("whatever it is: %o", (error, line) => {
    assert.deepStrictEqual(reportOf(error), { lines: [line, last], exitCode: 125 })
  })
})
