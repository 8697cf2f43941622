/** A run that `fim-instance start` has put into the background. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** What the run gets from the process that has started it. */
export interface Background {
  /** The name of the instance. */
  readonly name: string
  /** Called once, when the program runs: leaves the caller's directory, and reports to the process that waits for it. */
  readonly started: Effect.Effect<void>
}

/** Absent for every other run. */
export const Background = Context.Reference<Background | undefined>("flatimage/Background", {
  defaultValue: () => undefined
})
