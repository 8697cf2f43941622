import { assert, describe, it } from "@effect/vitest"
import { explain } from "../src/NetworkFailure.ts"

const error = (message: string, fields: object = {}) => Object.assign(new Error(message), fields)

describe("why a request failed", () => {
  it("is found below other errors, and among several attempts", () => {
    const refused = error("x", { code: "ECONNREFUSED", address: "::1", port: 80 })
    const several = error("", { errors: [refused, error("y")] })
    assert.match(
      explain(error("fetch failed", { cause: several })),
      /^connection refused \(::1:80\): check the address/
    )
  })

  it("is the innermost message in one line where there are no words for it", () => {
    assert.strictEqual(explain(error("outer", { cause: error("inner\nmore", { code: "STRANGE" }) })), "inner")
    assert.strictEqual(explain("text"), "text")
    assert.strictEqual(explain(undefined), "undefined")
  })

  it("is found in an error that is its own cause", () => {
    const circle = error("round")
    circle.cause = circle
    assert.strictEqual(explain(circle), "round")
  })

  it("is a port that Node does not connect to", () => {
    assert.match(explain(error("fetch failed", { cause: error("bad port") })), /^the port is one of another service/)
  })

  it("names a host without a port that was not found", () => {
    for (const fields of [{ hostname: "a.test" }, { peer: "a.test:80" }]) {
      assert.match(explain(error("x", { code: "ENOTFOUND", ...fields })), /^name not found \(a\.test\): /)
    }
  })
})
