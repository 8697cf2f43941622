import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/** Exit code of every failure of flatimage itself. */
const failureExitCode = 125

/** A command that cannot be done as it was written. `lines` go to standard error, in this order. */
export class CommandError extends Data.TaggedError("CommandError")<{
  readonly text: string
  /** What would have been right, when the text does not say so. */
  readonly hint?: string
  /** What may have been meant. */
  readonly suggestion?: string
  readonly context: string
}> {
  override readonly [Runtime.errorExitCode] = failureExitCode

  override get message(): string {
    return this.text
  }

  get lines(): ReadonlyArray<string> {
    return [this.text, this.hint, this.suggestion, this.context].filter((line) => line !== undefined)
  }
}

/** Words that say nothing that can be done; nothing was read or written for them. */
export const usageError = (text: string, hint?: string, suggestion?: string): CommandError =>
  new CommandError({
    text,
    context: "Could not parse arguments",
    ...(hint === undefined ? {} : { hint }),
    ...(suggestion === undefined ? {} : { suggestion })
  })

/** `['a','b',]`, as all lists in messages. */
export const quoteList = (words: ReadonlyArray<string>): string => `[${words.map((word) => `'${word}',`).join("")}]`
