import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fetchBytes, type Limits } from "../src/Fetch.ts"
import { pictureServer } from "./support/PictureServer.ts"

const picture = Buffer.from("\x89PNG, or so the server says", "latin1")
const limits: Limits = { bytes: 1_048_564, time: "10 seconds", redirects: 3 }

describe("a picture from a server", () => {
  it.live.each(["good.png", "chunked.png", "moved.png", "good.png?size=large#part"])(
    "arrives: %s",
    (name) =>
      Effect.gen(function*() {
        const server = yield* pictureServer(picture)
        assert.deepStrictEqual(Buffer.from(yield* fetchBytes(server.url(name), limits)), picture)
      })
  )

  it.live.each(
    [
      ["huge.png", /more than 1048564 bytes/],
      ["endless.png", /more than 1048564 bytes/],
      ["cut.png", /Could not download 'http:.*'/],
      ["empty.png", /ended after 0 bytes/],
      ["loop.png", /leads on to another address more than 3 times/],
      ["secret.png", /Could not download/],
      ["missing.png", /answered with 404/]
    ] as const
  )("is refused: %s", ([name, words]) =>
    Effect.gen(function*() {
      const server = yield* pictureServer(picture)
      const error = yield* Effect.flip(fetchBytes(server.url(name), limits))
      assert.strictEqual(error._tag, "FetchError")
      assert.match(error.message, words)
      if (name === "loop.png") assert.strictEqual(server.requests(), 4)
    }))

  it.live.each(["slow.png", "silent.png"])("is not waited for without end: %s", (name) =>
    Effect.gen(function*() {
      const server = yield* pictureServer(picture)
      const error = yield* Effect.flip(fetchBytes(server.url(name), { ...limits, time: "300 millis" }))
      assert.match(error.message, /took too long/)
    }))

  it.live("is refused where nobody listens", () =>
    Effect.gen(function*() {
      const url = yield* Effect.scoped(Effect.map(pictureServer(picture), (server) => server.url("good.png")))
      assert.match((yield* Effect.flip(fetchBytes(url, limits))).message, /Could not download/)
    }))
})
