import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { askOnce, open, type Options } from "../../src/messages/NativeProgram.ts"
import { Done } from "../../src/messages/Reply.ts"
import * as Platform from "../support/Platform.ts"

const Number = Schema.Struct({ a: Schema.Int })

/** Asks a shell that runs these commands. */
const ask = (script: string, options: Partial<Options> = {}, body?: Uint8Array) =>
  askOnce(
    "/bin/sh",
    ["-c", script],
    { stderr: "inherit", ...options },
    { operation: "look", fields: { x: "ä" }, ...(body === undefined ? {} : { body }) },
    Number
  ).pipe(Effect.provide(Platform.layer))

const refused = (script: string) => Effect.flip(ask(script))

describe("a native program", () => {
  it.live("gets a request, and its reply is the answer", () =>
    Effect.gen(function*() {
      const script = "read -r line; [ \"$line\" = '{\"op\":\"look\",\"x\":\"ä\"}' ] && echo '{\"ok\":{\"a\":1}}'"
      assert.deepStrictEqual((yield* ask(script)).content, { a: 1 })
    }))

  it.live("gets and gives bytes", () =>
    Effect.gen(function*() {
      const script = "read -r line; printf '{\"ok\":{\"a\":1}} 5\\n'; head -c 5"
      const { body, content } = yield* ask(script, { body: 5 }, Buffer.from("\n{}\n\xff", "latin1"))
      assert.deepStrictEqual([content, Buffer.from(body).toString("latin1")], [{ a: 1 }, "\n{}\n\xff"])
    }))

  it.live("has its replies in the order of the requests, and the first may be unasked", () =>
    Effect.gen(function*() {
      const script =
        "echo '{\"ok\":{}}'; while read -r line; do n=$((n + 1)); echo \"{\\\"ok\\\":{\\\"a\\\":$n}}\"; done"
      const counted = yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* open("/bin/sh", ["-c", script], { stderr: "inherit" })
        yield* session.reply("start", Done)
        return yield* Effect.forEach([1, 2, 3], () => session.ask("next", {}, Number))
      })).pipe(Effect.provide(Platform.layer))
      assert.deepStrictEqual(counted.map(({ content }) => content.a), [1, 2, 3])
    }))

  it.live("that refuses is quoted, with the number of its error", () =>
    Effect.gen(function*() {
      const error = yield* refused("read -r line; echo '{\"error\":\"no room\",\"errno\":28}'; exit 1")
      assert.deepStrictEqual([error.reason, error.message, error.errno], ["Refused", "no room", 28])
    }))

  it.live.each(
    [
      ["nothing", "exit 3", "Ended", "'sh -c' ended without a reply to 'look'"],
      ["half a reply", "printf '{\"ok\":'", "Ended", "'sh -c' ended without a reply to 'look'"],
      ["text", "echo hello", "Invalid", "'sh -c': the reply to 'look' is not valid (it is not a JSON object): hello"],
      ["bytes that nobody wants", "echo '{\"ok\":{\"a\":1}} 9'", "Invalid", "(its body is too long)"],
      ["an object without an answer", "echo '{}'", "Invalid", "the reply to 'look' is not valid"],
      ["another answer", "echo '{\"ok\":{\"a\":\"1\"}}'", "Invalid", "): {\"ok\":{\"a\":\"1\"}}"]
    ] as const
  )("that gives %s is told with the request", ([, script, reason, words]) =>
    Effect.gen(function*() {
      const error = yield* refused(`read -r line; ${script}`)
      assert.strictEqual(error.reason, reason)
      assert.strictEqual(error.operation, "look")
      assert.include(error.message, words)
    }))

  it.live("that cannot be started is told with its cause", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        askOnce("/no/such/program", [], { stderr: "ignore" }, { operation: "look", fields: {} }, Number).pipe(
          Effect.provide(Platform.layer)
        )
      )
      assert.strictEqual(error.reason, "Start")
      assert.isDefined(error.cause)
    }))
})
