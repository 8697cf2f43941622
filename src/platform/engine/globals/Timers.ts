import { callSoon, forget, startTimer, stopTimer } from "../Loop.ts"

type Call = (...values: ReadonlyArray<unknown>) => void

export const setTimeout = (call: Call, milliseconds = 0, ...values: ReadonlyArray<unknown>): number =>
  startTimer(milliseconds, false, () => call(...values))

export const setInterval = (call: Call, milliseconds = 0, ...values: ReadonlyArray<unknown>): number =>
  startTimer(milliseconds, true, () => call(...values))

export const setImmediate = (call: Call, ...values: ReadonlyArray<unknown>): number => callSoon(() => call(...values))

export const clearTimeout = stopTimer
export const clearInterval = stopTimer
export const clearImmediate = forget
