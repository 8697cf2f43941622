/** For how long a program may take to end after SIGTERM: `FIM_STOP_TIMEOUT`. */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import { printable } from "./Printable.ts"

/** `FIM_STOP_TIMEOUT` is not a time. */
export class StopTimeoutError extends Data.TaggedError("StopTimeoutError")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** A day. */
const most = 86_400

/**
 * Parses the value of `FIM_STOP_TIMEOUT`.
 *
 * @param text the value; `undefined` and empty mean that the program is never killed
 * @returns seconds; fails for anything but a whole number up to a day
 */
export const parse = (text: string | undefined): Result.Result<number | undefined, StopTimeoutError> => {
  if (text === undefined || text === "") return Result.succeed(undefined)
  const seconds = /^\d{1,6}$/.test(text) ? Number.parseInt(text, 10) : Number.NaN
  return seconds <= most ? Result.succeed(seconds) : Result.fail(
    new StopTimeoutError({
      detail: `FIM_STOP_TIMEOUT is '${printable(text)}', but must be a number of seconds from 0 to ${most}`
    })
  )
}
