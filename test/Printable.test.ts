import { assert, describe, it } from "@effect/vitest"
import { reportOf } from "../src/Failure.ts"
import * as Log from "../src/Log.ts"
import { printable, printableJson } from "../src/Printable.ts"

const hostile = "a\u001b[2Jb\nc\rd\u0007\u007f\u009b31m\u202egpj\u2066\u2028"
const shown = "a\\x1b[2Jb\\nc\\rd\\x07\\x7f\\u{9b}31m\\u{202e}gpj\\u{2066}\\u{2028}"

describe("text from elsewhere", () => {
  it("moves no cursor and ends no line", () => {
    assert.strictEqual(printable(hostile), shown)
    assert.strictEqual(printable("plain äß ☃ 🦀\ttext"), "plain äß ☃ 🦀\ttext")
  })

  it("is the same value in JSON", () => {
    const json = JSON.stringify({ name: hostile }, null, 2)
    const safe = printableJson(json)
    assert.deepStrictEqual(JSON.parse(safe), { name: hostile })
    // eslint-disable-next-line no-control-regex
    assert.notMatch(safe, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/)
  })

  it("is escaped in the log and in reports of failures", () => {
    assert.strictEqual(Log.lineOf("Info", hostile), `I::${shown.replace("\\n", "")}`)
    assert.strictEqual(reportOf(new Error(hostile)).lines[0], shown.replace("\\n", " "))
  })
})
