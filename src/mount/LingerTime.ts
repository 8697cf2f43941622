/** For how long layers stay mounted after the last instance: `FIM_LINGER`, checked before anything is mounted. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { printable } from "../Printable.ts"
import { Host } from "../relocate/Host.ts"

/** `FIM_LINGER` is not a time. */
export class LingerTimeError extends Data.TaggedError("LingerTimeError")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** How the caller wants it. */
export interface Time {
  /** 0: layers neither stay, nor are those used that have stayed. */
  readonly seconds: number
  /** Whether the caller has said so. */
  readonly isChosen: boolean
}

/** Where nothing is said. `docs/decisions/0027-lingering.md` has the reasons. */
const usual = 60

/** A day. */
const most = 86_400

/**
 * Parses the value of `FIM_LINGER`.
 *
 * @param text the value; `undefined` and empty mean that nothing is said
 * @returns the time; fails with a sentence for anything but a whole number of seconds up to a day
 */
export const parse = (text: string | undefined): Result.Result<Time, string> => {
  if (text === undefined || text === "") return Result.succeed({ seconds: usual, isChosen: false })
  const seconds = /^\d{1,6}$/.test(text) ? Number.parseInt(text, 10) : Number.NaN
  return seconds <= most
    ? Result.succeed({ seconds, isChosen: true })
    : Result.fail(`FIM_LINGER is '${printable(text)}', but must be a number of seconds from 0 to ${most}`)
}

/** The time for this run. Only the caller's environment says it, never the image's. */
export class LingerTime extends Context.Service<LingerTime, Time>()("flatimage/mount/LingerTime") {
  static readonly layer: Layer.Layer<LingerTime, LingerTimeError, Host> = Layer.effect(
    LingerTime,
    Effect.flatMap(Host, (host) =>
      Effect.fromResult(parse(host.environment["FIM_LINGER"])).pipe(
        Effect.mapError((detail) => new LingerTimeError({ detail }))
      ))
  )
}
