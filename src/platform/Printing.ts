/** How our programs print on every platform, and their exit code if a result could not be written. */
import { Console } from "effect/Console"
import * as Layer from "effect/Layer"

/** Writes all of a text to a descriptor. Returns the code of the system's error, if there was one. */
export type Put = (descriptor: number, text: string) => string | undefined

const joined = (write: (line: string) => void) => (...values: ReadonlyArray<unknown>) => write(values.join(" "))

/**
 * @param put how the platform writes
 * @param output where results go
 * @param error where everything else goes
 */
export const make = (put: Put, output: number, error: number) => {
  /** The error of the first result that could not be written. */
  let lost: string | undefined

  /** Writes a line of the log or of an error. A failure is ignored. */
  const write = (descriptor: number) => (line: string): void => void put(descriptor, `${line}\n`)

  /** Writes a line of a result. A reader that has gone away, or a closed descriptor, is not an error. */
  const result = (line: string): void => {
    const code = put(output, `${line}\n`)
    if (code !== undefined && code !== "EPIPE" && code !== "EBADF") lost = code
  }

  /** Effect's console on these descriptors. */
  const layer = Layer.sync(
    Console,
    () => Object.assign(Object.create(globalThis.console), { log: joined(result), error: joined(write(error)) })
  )

  /**
   * The exit code of a process that would end with `code`. If a result was lost, reports that in a line and returns
   * `failure`.
   */
  const exitCode = (code: number, failure: number): number => {
    if (code !== 0 || lost === undefined) return code
    write(error)(`E::Standard output could not be written: ${lost}`)
    return failure
  }

  return { write, layer, exitCode }
}
