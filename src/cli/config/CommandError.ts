import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/** Exit code of every failure of flatimage itself. */
const failureExitCode = 125

/** A command that failed. `lines` are the lines of its message on standard error, in this order. */
export class CommandError extends Data.TaggedError("CommandError")<{
  readonly text: string
  /** What would be valid, if the text does not say so. */
  readonly hint?: string
  /** A known name that is close to the invalid one. */
  readonly suggestion?: string
  readonly context: string
  readonly cause?: unknown
}> {
  override readonly [Runtime.errorExitCode] = failureExitCode

  override get message(): string {
    return this.text
  }

  get lines(): ReadonlyArray<string> {
    return [this.text, this.hint, this.suggestion, this.context].filter((line) => line !== undefined)
  }
}

/** The error for invalid arguments. Nothing was read or written before it. */
export const usageError = (text: string, hint?: string, suggestion?: string): CommandError =>
  new CommandError({
    text,
    context: "Could not parse arguments",
    ...(hint === undefined ? {} : { hint }),
    ...(suggestion === undefined ? {} : { suggestion })
  })

/** Formats a list as all messages do: `['a','b',]`. */
export const quoteList = (items: ReadonlyArray<string>): string => `[${items.map((item) => `'${item}',`).join("")}]`
