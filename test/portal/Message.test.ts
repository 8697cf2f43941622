import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { decode, Request } from "../../src/portal/Message.ts"

/** The same file is read by the tests of the native side. */
const vectors = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ sound: Schema.Array(Request), unsound: Schema.Array(Schema.Unknown) }))
)(readFileSync(new URL("../golden/portal-requests.json", import.meta.url), "utf8"))

const check = (value: unknown) => Effect.result(decode(JSON.stringify(value)))

describe("requests", () => {
  it.effect.each(vectors.sound.map((request) => [JSON.stringify(request), request] as const))(
    "%s is sound",
    ([, request]) =>
      Effect.gen(function*() {
        const result = yield* check(request)
        assert.isTrue(result._tag === "Success")
        if (result._tag === "Success") assert.deepStrictEqual(result.success, request)
      })
  )

  it.effect.each(vectors.unsound.map((request) => [JSON.stringify(request), request] as const))(
    "%s is not",
    ([, request]) => Effect.map(check(request), (result) => assert.strictEqual(result._tag, "Failure"))
  )

  it.effect("none that is cut is sound", () =>
    Effect.gen(function*() {
      const whole = JSON.stringify(vectors.sound[0])
      for (let end = 0; end < whole.length; end++) {
        assert.strictEqual((yield* Effect.result(decode(whole.slice(0, end))))._tag, "Failure")
      }
    }))
})
