import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { printable } from "../Printable.ts"

/** Reports the progress of a step: units done, and units in all. */
export type Report = (done: number, total: number) => Effect.Effect<void>

/** Whether to print no progress. */
export const Quiet = Context.Reference<boolean>("flatimage/builder/Progress/Quiet", { defaultValue: () => false })

const barWidth = 24
const redrawEvery = 80

const bar = (done: number, total: number): string => {
  const share = total > 0 ? Math.min(1, Math.max(0, done / total)) : 0
  const filled = Math.round(share * barWidth)
  return `[${"#".repeat(filled)}${" ".repeat(barWidth - filled)}] ${String(Math.round(share * 100)).padStart(3)} %`
}

/** Prints progress on standard error: bars on a terminal, plain lines elsewhere. */
export class Progress extends Context.Service<Progress, {
  /** Shows `label` while `work` runs, then its duration and the `summary` of its result. */
  readonly step: <A, E, R>(
    label: string,
    work: (report: Report) => Effect.Effect<A, E, R>,
    summary?: (value: A) => string
  ) => Effect.Effect<A, E, R>
  /** Prints a line. */
  readonly note: (line: string) => Effect.Effect<void>
}>()("flatimage/builder/Progress") {
  static readonly layer = Layer.effect(
    Progress,
    Effect.gen(function*() {
      const stdio = yield* Stdio.Stdio
      const terminal = yield* stdio.stderrIsTerminal

      // A closed standard error is no reason to fail a build.
      const write = (text: string) => Stream.run(Stream.make(text), stdio.stderr()).pipe(Effect.ignore)

      const step = Effect.fn("Progress.step")(function*<A, E, R>(
        text: string,
        work: (report: Report) => Effect.Effect<A, E, R>,
        summary?: (value: A) => string
      ) {
        const label = printable(text)
        if (yield* Quiet) return yield* work(() => Effect.void)
        const started = yield* Clock.currentTimeMillis
        const drawn = yield* Ref.make(0)
        const report: Report = (done, total) =>
          Effect.gen(function*() {
            const now = yield* Clock.currentTimeMillis
            if (done < total && now - (yield* Ref.get(drawn)) < redrawEvery) return
            yield* Ref.set(drawn, now)
            yield* write(`\r\x1b[K${label} ${bar(done, total)}`)
          })
        yield* write(terminal ? `\r\x1b[K${label} …` : `${label} …\n`)
        const value = yield* work(terminal ? report : () => Effect.void).pipe(
          // The error message that follows begins on a new line.
          Effect.onError(() => terminal ? write("\r\x1b[K") : Effect.void)
        )
        const took = Duration.toSeconds(Duration.millis((yield* Clock.currentTimeMillis) - started))
        const what = summary === undefined ? "" : `, ${printable(summary(value))}`
        yield* write(`${terminal ? "\r\x1b[K" : ""}${label}: ${took.toFixed(1)} s${what}\n`)
        return value
      })

      return Progress.of({
        step,
        note: Effect.fn("Progress.note")(function*(line: string) {
          if (!(yield* Quiet)) yield* write(`${printable(line)}\n`)
        })
      })
    })
  )
}
