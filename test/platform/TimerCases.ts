import * as Effect from "effect/Effect"
import type { Case } from "./Outcome.ts"

/** Keeps everything else from happening. */
const block = (milliseconds: number): void => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

export const timerCases: ReadonlyArray<Case> = [
  [
    "timers that are late, in the order in which they were due",
    () =>
      Effect.callback<ReadonlyArray<number>>((resume) => {
        const called: Array<number> = []
        for (const delay of [30, 10, 20]) {
          setTimeout(() => {
            called.push(delay)
            if (called.length === 3) resume(Effect.succeed(called))
          }, delay)
        }
        block(60)
      })
  ],
  ["timers that another one cancels while both are late", () =>
    Effect.callback<ReadonlyArray<number>>((resume) => {
      const called: Array<number> = []
      const second = setTimeout(() => called.push(20), 20)
      setTimeout(() => {
        called.push(10)
        clearTimeout(second)
      }, 10)
      setTimeout(() => resume(Effect.succeed(called)), 30)
      block(60)
    })]
]
