import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { printable } from "./Printable.ts"

/** Levels in the letters of the log. */
const letters: Readonly<Record<LogLevel.LogLevel, string>> = {
  All: "D",
  Trace: "D",
  Debug: "D",
  Info: "I",
  Warn: "W",
  Error: "E",
  Fatal: "C",
  None: "C"
}

/**
 * One line of the log: the letter of its level, the time if there is one, and the message, in which newlines have no
 * place. `elapsed` is in milliseconds since the program was started.
 */
export const lineOf = (level: LogLevel.LogLevel, message: unknown, elapsed?: number): string => {
  const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
  const time = elapsed === undefined ? "" : `${elapsed.toFixed(1)}::`
  return `${letters[level]}::${time}${printable(text.replaceAll("\n", ""))}`
}

/** Where lines go. `elapsed` is given when those on the console are to carry the time. */
export interface Sink {
  readonly elapsed?: () => number
  /** D and I. */
  readonly output: (line: string) => void
  /** W, E and C. */
  readonly error: (line: string) => void
  /** Gets every line, whatever the console's level. */
  readonly file: (line: string) => void
}

/** The log file of an instance. Lines from before its directory exists are buffered and written first. */
export const LogFile = Context.Reference<{ readonly open: (path: string) => Effect.Effect<void> }>(
  "flatimage/LogFile",
  {
    defaultValue: () => ({ open: () => Effect.void })
  }
)

const noticeKey = "notice"

/** Logs a line on standard error at any console level: what a user must know even when a program runs. */
export const notice = (message: string): Effect.Effect<void> =>
  Effect.logWarning(message).pipe(Effect.annotateLogs(noticeKey, true))

/** Sends everything from `level` up to the console, and everything to the file. Effect's own log lines use the same format. */
export const layer = (level: LogLevel.LogLevel, sink: Sink): Layer.Layer<never> => {
  const logger = Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
    sink.file(lineOf(logLevel, message))
    const isNotice = fiber.getRef(References.CurrentLogAnnotations)[noticeKey] === true
    if (!isNotice && !LogLevel.isGreaterThanOrEqualTo(logLevel, level)) return
    const line = lineOf(logLevel, message, sink.elapsed?.())
    if (letters[logLevel] === "D" || letters[logLevel] === "I") sink.output(line)
    else sink.error(line)
  })
  return Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Debug"))
}
