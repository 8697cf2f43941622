/** Standard output and standard error. What is written is written at once and whole: the process may end right after. */
import { Console } from "effect/Console"
import * as Layer from "effect/Layer"
import { writeSync } from "node:fs"

/** Why a result could not be written, once one could not. */
let lost: string | undefined

const moment = new Int32Array(new SharedArrayBuffer(4))

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : String(cause)

/** Writes a line. Out: the code of what the system refused it with, if it did. */
const put = (descriptor: number, line: string): string | undefined => {
  const bytes = Buffer.from(`${line}\n`)
  let written = 0
  while (written < bytes.length) {
    try {
      written += writeSync(descriptor, bytes, written)
    } catch (cause) {
      const code = codeOf(cause)
      // Others may have told a terminal or a pipe not to block.
      if (code === "EAGAIN") Atomics.wait(moment, 0, 0, 1)
      else if (code !== "EINTR") return code
    }
  }
  return undefined
}

/** Writes a line of the log or of an error. One that cannot be written is lost, and nothing else with it. */
export const write = (descriptor: number) => (line: string): void => void put(descriptor, line)

/** Writes a line of a result. Whoever has gone away, or closed the descriptor, does not want it. */
const result = (line: string): void => {
  const code = put(1, line)
  if (code !== undefined && code !== "EPIPE" && code !== "EBADF") lost = code
}

const joined = (write: (line: string) => void) => (...words: ReadonlyArray<unknown>) => write(words.join(" "))

/** Effect's console on these. */
export const layer = Layer.succeed(
  Console,
  Object.assign(Object.create(console), {
    log: joined(result),
    error: joined(write(2))
  })
)

/** The exit code of a process that would end with `code`: another one, and a line that says why, if a result was lost. */
export const exitCode = (code: number, failure: number): number => {
  if (code !== 0 || lost === undefined) return code
  write(2)(`E::Standard output could not be written: ${lost}`)
  return failure
}
