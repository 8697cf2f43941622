import { assert, describe, it } from "@effect/vitest"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Janitor, type JanitorError } from "../../src/mount/Janitor.ts"
import { falseJanitor, surroundings } from "../support/FalseJanitor.ts"

const Content = Schema.Struct({ content: Schema.NullOr(Schema.String) })

const broken = PlatformError.systemError({ _tag: "BadResource", module: "Janitor", method: "read" })

/** What becomes of a request, and of the one after it, when these pieces come back; with `fails` the pipe breaks then. */
const asked = (pieces: ReadonlyArray<string | Uint8Array>, fails = false) =>
  Effect.gen(function*() {
    const replies = yield* Queue.make<Uint8Array, Cause.Done | PlatformError.PlatformError>()
    const janitor = yield* falseJanitor()
    const link = {
      ...janitor.link,
      replies: Stream.fromQueue(replies),
      send: () =>
        Effect.suspend(() =>
          Effect.forEach(pieces, (piece) => Queue.offer(replies, Buffer.from(piece))).pipe(
            Effect.andThen(fails ? Queue.fail(replies, broken) : Queue.end(replies)),
            Effect.asVoid
          )
        )
    }
    return yield* Effect.gen(function*() {
      const { ended, send } = yield* Janitor
      const first = yield* Effect.result(Effect.flatten(send("read-root", { path: "/x", limit: 5 }, Content)))
      yield* ended
      const second = yield* Effect.result(Effect.flatten(send("prepare-root", {}, Content)))
      assert.strictEqual(second._tag, "Failure")
      return { first, second: second._tag === "Failure" ? second.failure : undefined }
    }).pipe(Effect.provide(Janitor.layer.pipe(Layer.provide(surroundings({ ...janitor, link })))))
  })

const failure = (pieces: ReadonlyArray<string | Uint8Array>, fails = false) =>
  Effect.map(asked(pieces, fails), ({ first, second }) => {
    assert.strictEqual(first._tag, "Failure")
    return { first: first._tag === "Failure" ? first.failure : ({} as JanitorError), second }
  })

describe("a reply of the janitor", () => {
  it.effect("that is valid is its content, in whatever pieces it comes", () =>
    Effect.gen(function*() {
      const { first } = yield* asked(["{\"id\":0,\"o", "k\":{\"content\"", ":\"a\"}}\n"])
      assert.isTrue(first._tag === "Success" && first.success.content === "a")
    }))

  it.effect.each(
    [
      [
        "{\"id\":0,\"ok\":{\"content\":5}}\n",
        /'read-root' is not valid \(Expected string.*\): \{"id":0,"ok":\{"content":5\}\}$/
      ],
      ["{\"id\":0}\n", /'read-root' is not valid \(.*\): \{"id":0\}$/],
      ["{\"id\":\"0\"}\n", /'read-root' is not valid \(.*\): \{"id":"0"\}$/],
      ["{\"ok\":{}}\n", /'read-root' is not valid \(Missing key.*\): \{"ok":\{\}\}$/],
      ["{oops}\n", /'read-root' is not valid \(.*\): \{oops\}$/],
      [
        "Segmentation fault\u001b[2J\n",
        /'read-root' is not valid \(it is not a JSON object\): Segmentation fault\\x1b\[2J$/
      ],
      ["{\"id\":0} 5\nhello", /'read-root' is not valid \(its body is too long\): \{"id":0\} 5$/]
    ] as const
  )("that is not valid is told with the request: %s", ([reply, words]) =>
    Effect.gen(function*() {
      const { first } = yield* failure([reply])
      assert.strictEqual(first.reason, "Gone")
      assert.strictEqual(first.operation, "read-root")
      assert.match(first.message, /^the janitor cannot be understood: the reply to /)
      assert.match(first.message, words)
    }))

  it.effect("that is not UTF-8 is not valid", () =>
    Effect.gen(function*() {
      const { first } = yield* failure([Buffer.from("{\"id\":0,\"ok\":\"\xff\"}\n", "latin1")])
      assert.include(first.message, "(it is not UTF-8)")
    }))

  it.effect("that is large is shown by its beginning", () =>
    Effect.gen(function*() {
      const { first } = yield* failure([`{"id":0,"ok":{"content":[${"1,".repeat(10_000)}1]}}\n`])
      assert.isBelow(first.message.length, 700)
    }))

  it.effect("that never comes is told with its cause, and so are those of later requests", () =>
    Effect.gen(function*() {
      const ended = yield* failure([])
      assert.strictEqual(ended.first.message, "the janitor has ended before it replied to 'read-root'")
      assert.strictEqual(ended.second?.message, "the janitor has ended before it replied to 'prepare-root'")
      const failed = yield* failure([], true)
      assert.match(failed.first.message, /^the janitor cannot reply to 'read-root': /)
      assert.strictEqual(failed.first.cause, broken)
      const cut = yield* failure(["{\"id\":0,\"ok\":"])
      assert.include(cut.first.message, "has ended before it replied to 'read-root'")
    }))
})
