import { printable } from "./Printable.ts"

/** Exit code of our own failures, as opposed to the program's. */
export const exitCode = 125

/** A failure as the user sees it: lines for standard error, most specific first, and the exit code. */
export interface Report {
  readonly lines: ReadonlyArray<string>
  readonly exitCode: number
}

interface CommandLike {
  readonly _tag: "CommandError"
  readonly lines: ReadonlyArray<string>
}

const isCommandError = (error: unknown): error is CommandLike =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "CommandError" && "lines" in error

const messageOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null || !("message" in error)) return String(error)
  return typeof error.message === "string" ? error.message : String(error)
}

const lineOf = (text: string): string => printable(text.replaceAll("\n", " "))

const last = "The program exited with an error"

/** The words and the exit code for whatever ended the program. */
export const reportOf = (error: unknown): Report =>
  isCommandError(error)
    ? { lines: [...error.lines.map(lineOf), last], exitCode }
    : { lines: [lineOf(messageOf(error)), last], exitCode }
