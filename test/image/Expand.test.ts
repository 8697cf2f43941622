import { assert, describe, it } from "@effect/vitest"
import { expand, expandEnvironment } from "../../src/image/Expand.ts"

const variables = { HOME: "/home/u", A: "1", EMPTY: "", _x9: "y", DOLLAR: "$A" }

describe("expand", () => {
  it.each([
    ["", ""],
    ["$A", "1"],
    ["${A}", "1"],
    ["a$A$A.${A}b", "a11.1b"],
    ["$_x9-$_x9z", "y-"],
    ["$NONE${NONE}$EMPTY", ""],
    ["$DOLLAR", "$A"],
    ["~", "/home/u"],
    ["~/x", "/home/u/x"],
    ["~u/x", "~u/x"],
    ["a~/x", "a~/x"],
    ["$", "$"],
    ["$$A", "$1"],
    ["$1 $? ${} ${A", "$1 $? ${} ${A"],
    ["${A:-x}", "${A:-x}"],
    ["$(echo $A)", "$(echo 1)"],
    ["`id`", "`id`"],
    ["$constructor ${toString} $__proto__", "  "],
    ["'$A' \"$A\" \\$A *", "'1' \"1\" \\1 *"]
  ])("%j is %j", (text, expected) => {
    assert.strictEqual(expand(text, variables), expected)
  })

  it("leaves ~ alone without a home", () => {
    assert.strictEqual(expand("~/x", {}), "~/x")
  })
})

describe("expandEnvironment", () => {
  it("expands names too, sorts, and leaves out what has no name", () => {
    assert.deepStrictEqual(expandEnvironment({ Z: "$A", $HOME: "h", $NONE: "n", B: "" }, variables), [
      ["/home/u", "h"],
      ["B", ""],
      ["Z", "1"]
    ])
  })
})
