/** How much memory the processes of a run take at most. */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { processesIn } from "./Leftovers.ts"

/** The most that a process has had in memory until now, in bytes; 0 when it is gone. */
export const peakOf = (pid: number): number => {
  try {
    const [, kibibytes = "0"] = readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmHWM:\s+(\d+) kB$/m) ?? []
    return Number(kibibytes) * 1024
  } catch {
    return 0
  }
}

/** Often enough to see whatever takes a tenth of a second to fill. */
const interval = 20

/** Runs an effect, and gives with its value the largest memory that one process in the directories had meanwhile. */
export const withPeak = <A, E, R>(paths: ReadonlyArray<string>, effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    let peak = 0
    const look = Effect.sync(() => {
      for (const { pid } of processesIn(paths)) peak = Math.max(peak, peakOf(pid))
    }).pipe(Effect.andThen(Effect.sleep(interval)), Effect.forever)
    return Effect.map(Effect.raceFirst(effect, look), (value) => ({ value, peak }))
  })
