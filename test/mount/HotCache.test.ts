import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { HotCache, parseHot } from "../../src/mount/HotCache.ts"
import { Host } from "../../src/relocate/Host.ts"

const placeWith = (environment: Readonly<Record<string, string>>) =>
  Effect.map(HotCache, ({ place }) => place).pipe(
    Effect.provide(Layer.provide(
      HotCache.layer,
      Layer.succeed(Host, {
        environment,
        pid: 7,
        uid: 1000,
        gid: 1000,
        architecture: "x64",
        directory: "/",
        args: []
      })
    ))
  )

describe("FIM_HOT", () => {
  it("is a size", () => {
    for (
      const [value, bytes] of [["0", 0], ["7", 7], ["2k", 2048], ["512M", 512 * 1024 ** 2], ["1G", 1024 ** 3]] as const
    ) {
      assert.deepStrictEqual(parseHot(value), Result.succeed(bytes))
    }
    for (const value of ["", "G", "1x", "-1", " 1", "1 G", "1.5G", "9999999T", "1".repeat(16)]) {
      assert.isTrue(Result.isFailure(parseHot(value)), value)
    }
  })

  it.effect("is below the caller's cache, if he has one", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* placeWith({ HOME: "/home/ada", FIM_HOT: "1M" }), {
        directory: "/home/ada/.cache/flatimage/hot",
        bytes: 1024 ** 2
      })
      const chosen = yield* placeWith({ HOME: "/home/ada", XDG_CACHE_HOME: "/cache" })
      assert.strictEqual(chosen?.directory, "/cache/flatimage/hot")
      assert.isUndefined(yield* placeWith({ HOME: "/home/ada", FIM_HOT: "0" }))
      assert.isUndefined(yield* placeWith({}))
      assert.isUndefined(yield* placeWith({ XDG_CACHE_HOME: "cache" }))
      const refused = yield* Effect.flip(placeWith({ HOME: "/home/ada", FIM_HOT: "much" }))
      assert.strictEqual(refused.message, "FIM_HOT must be 0 or a size such as 512M or 2G, not 'much'")
    }))
})
