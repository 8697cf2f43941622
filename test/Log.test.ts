import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as LogLevel from "effect/LogLevel"
import * as Log from "../src/Log.ts"

describe("a line of the log", () => {
  it.each(
    [
      ["Debug", "D"],
      ["Trace", "D"],
      ["Info", "I"],
      ["Warn", "W"],
      ["Error", "E"],
      ["Fatal", "C"]
    ] as const
  )("of level %s begins with %s", (level, letter) => {
    assert.strictEqual(Log.lineOf(level, "words"), `${letter}::words`)
  })

  it("is one line, with the time if there is one", () => {
    assert.strictEqual(Log.lineOf("Error", "two\nlines\n", 12.345), "E::12.3::twolines")
    assert.strictEqual(Log.lineOf("Info", ["a", 1, undefined]), "I::a 1 undefined")
  })
})

const logged = (level: LogLevel.LogLevel, elapsed?: () => number) =>
  Effect.gen(function*() {
    const lines = { output: [] as Array<string>, error: [] as Array<string>, file: [] as Array<string> }
    const sink: Log.Sink = {
      output: (line) => void lines.output.push(line),
      error: (line) => void lines.error.push(line),
      file: (line) => void lines.file.push(line),
      ...(elapsed === undefined ? {} : { elapsed })
    }
    yield* Effect.gen(function*() {
      yield* Effect.logDebug("d")
      yield* Effect.logInfo("i")
      yield* Effect.logWarning("w")
      yield* Effect.logError("e")
      yield* Effect.logFatal("c")
    }).pipe(Effect.provide(Log.layer(level, sink)))
    return lines
  })

const all = ["D::d", "I::i", "W::w", "E::e", "C::c"]

describe("the log", () => {
  it.effect("sends data to standard output, trouble to standard error and all of it to the file", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* logged("Debug"), {
        output: ["D::d", "I::i"],
        error: ["W::w", "E::e", "C::c"],
        file: all
      })
    }))

  it.effect("keeps the console quiet below its level", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* logged("Info"), { output: ["I::i"], error: ["W::w", "E::e", "C::c"], file: all })
      assert.deepStrictEqual(yield* logged("Fatal"), { output: [], error: ["C::c"], file: all })
    }))

  it.effect("carries the time on the console when it is asked for", () =>
    Effect.gen(function*() {
      const { error, output } = yield* logged("Debug", () => 7)
      assert.deepStrictEqual([...output, ...error], ["D::7.0::d", "I::7.0::i", "W::7.0::w", "E::7.0::e", "C::7.0::c"])
    }))
})
