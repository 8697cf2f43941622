import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as TestClock from "effect/testing/TestClock"
import { Progress, Quiet } from "../../src/builder/Progress.ts"
import { formatBytes } from "../../src/FormatBytes.ts"

/** What is shown on standard error while `work` runs. */
const shown = <A, E>(terminal: boolean, work: Effect.Effect<A, E, Progress>) =>
  Effect.gen(function*() {
    const written: Array<string> = []
    const stdio = Stdio.layerTest({
      stderrIsTerminal: Effect.succeed(terminal),
      stderr: () => Sink.forEach((text: string | Uint8Array) => Effect.sync(() => void written.push(String(text))))
    })
    yield* Effect.ignore(work).pipe(Effect.provide(Progress.layer.pipe(Layer.provide(stdio))))
    return written.join("")
  })

const work = Effect.flatMap(Progress, (progress) =>
  progress.step(
    "Packing",
    (report) =>
      Effect.gen(function*() {
        yield* report(1, 4)
        yield* TestClock.adjust("1500 millis")
        yield* report(2, 4)
        // Too soon after the one before, but it is the last.
        yield* report(3, 4)
        yield* report(4, 4)
        return 5_000_000
      }),
    formatBytes
  ))

describe("progress", () => {
  it.effect("is a line at the start and one at the end where nobody looks", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* shown(false, work), "Packing …\nPacking: 1.5 s, 5.0 MB\n")
    }))

  it.effect("is a bar on a terminal, and one line in the end", () =>
    Effect.gen(function*() {
      const text = yield* shown(true, work)
      assert.include(text, "\r\x1b[KPacking [############            ]  50 %")
      assert.notInclude(text, "75 %")
      assert.include(text, "[########################] 100 %")
      assert.isTrue(text.endsWith("\r\x1b[KPacking: 1.5 s, 5.0 MB\n"))
    }))

  it.effect("is nothing when it is not wanted", () =>
    Effect.gen(function*() {
      const quiet = Effect.flatMap(Progress, (progress) => Effect.andThen(work, progress.note("line")))
      assert.strictEqual(yield* shown(true, quiet.pipe(Effect.provideService(Quiet, true))), "")
    }))

  it.effect("leaves the line to the message of a failure", () =>
    Effect.gen(function*() {
      const failing = Effect.flatMap(Progress, (progress) => progress.step("Packing", () => Effect.fail("disk")))
      assert.isTrue((yield* shown(true, failing)).endsWith("\r\x1b[K"))
    }))

  it("tells sizes in units that can be read", () => {
    assert.deepStrictEqual([999, 1000, 999_499, 1_000_000, 76_429_805].map(formatBytes), [
      "999 B",
      "1 kB",
      "999 kB",
      "1.0 MB",
      "76.4 MB"
    ])
  })
})
