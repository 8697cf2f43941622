import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { judge } from "./Damage.ts"
import { withPeak } from "./Memory.ts"
import * as Process from "./Process.ts"

const environment = { PATH: "/usr/bin:/bin" }

describe("a program that a test starts", () => {
  it.live("gives its code, or the signal that ended it, and its output", () =>
    Effect.gen(function*() {
      const outcome = yield* Process.run(["sh", "-c", "cat; echo err >&2; exit 3"], { environment, input: "in" })
      assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [3, "in", "err\n"])
      assert.strictEqual((yield* Process.run(["sh", "-c", "kill -SEGV $$"], { environment })).code, "SIGSEGV")
    }))

  it.live("fails when it hangs or keeps its output open, and when it does not exist", () =>
    Effect.gen(function*() {
      const hanging = yield* Effect.flip(Process.run(["sleep", "60"], { environment, patience: 100 }))
      assert.match(hanging.message, /did not end.*within 100 ms/)
      const open = yield* Effect.flip(Process.run(["sh", "-c", "sleep 1 &"], { environment, patience: 100 }))
      assert.match(open.message, /did not end and close its output/)
      assert.match((yield* Effect.flip(Process.run(["/no/such/program"]))).message, /ENOENT/)
    }))

  it.live("fails when it ends without saying what is waited for", () =>
    Effect.gen(function*() {
      const running = yield* Process.start(["echo", "other"], { environment })
      assert.match((yield* Effect.flip(running.says(/words/))).message, /ended before it said/)
    }))

  it.live("is measured at its largest", () =>
    Effect.gen(function*() {
      const script = "const b = Buffer.alloc(3e8, 1); setTimeout(() => b, 300)"
      const { peak } = yield* withPeak(
        [process.execPath],
        Process.run([process.execPath, "-e", script], { environment })
      )
      assert.isAbove(peak, 3e8)
    }))
})

const outcome = (code: number | NodeJS.Signals, stdout: string, stderr: string) => ({
  code,
  stdout,
  stderr,
  bytes: Buffer.from(stdout)
})

describe("the verdict about a damaged image", () => {
  const sound = "a\nb\n"

  it.each(
    [
      [0, sound, "", "sound"],
      [125, "", "E::the layer is damaged", "refused"],
      [1, "a\n", "sha256sum: read error", "guest"],
      [139, "", "E::a layer is damaged: section 3", "guest"]
    ] as const
  )("is one of those allowed for %d %j %j", (code, stdout, stderr, verdict) => {
    assert.strictEqual(judge(outcome(code, stdout, stderr), sound, ""), verdict)
  })

  it.each(
    [
      ["SIGSEGV", "", "", /ended by a signal/],
      [139, "", "", /crashed/],
      [134, "", "panicked", /crashed/],
      [0, "a\nc\n", "", /wrong content/],
      [1, "c\n", "read error", /wrong content/],
      [0, "a\n", "", /not all of the content/],
      [1, "", "", /no word/],
      [125, "a\n", "E::the layer is damaged", /output and a failure/],
      [125, "", "short", /no sentence/]
    ] as const
  )("refuses %s %j %j", (code, stdout, stderr, reason) => {
    assert.throws(() => judge(outcome(code, stdout, stderr), sound, ""), reason)
  })
})
