/**
 * The standard streams of the caller, on Node. What is written is written at once and whole: the process may end right after.
 *
 * Node does not get them as its own, because it would change their flags, which the caller shares; see
 * `docs/decisions/0024-streams.md`. Nothing here asks for `process.stdin`, `process.stdout` or `process.stderr`.
 */
import { Console } from "effect/Console"
import * as Layer from "effect/Layer"
import { writeSync } from "node:fs"

/** Descriptors of the caller's standard input, output and error. `bin/flatimage` says where it has put them. */
export const [input, output, error] = ((): readonly [number, number, number] => {
  const told = process.env["FIM_STREAMS"]?.match(/^(\d+),(\d+),(\d+)$/)
  // No program that is started from here has them.
  delete process.env["FIM_STREAMS"]
  return told === null || told === undefined ? [0, 1, 2] : [Number(told[1]), Number(told[2]), Number(told[3])]
})()

/** Why a result could not be written, once one could not. */
let lost: string | undefined

const moment = new Int32Array(new SharedArrayBuffer(4))

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : String(cause)

/** Writes text or bytes. Out: the code of what the system refused it with, if it did. */
export const put = (descriptor: number, content: string | Uint8Array): string | undefined => {
  const bytes = Buffer.from(content)
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
export const write = (descriptor: number) => (line: string): void => void put(descriptor, `${line}\n`)

/** Writes a line of a result. Whoever has gone away, or closed the descriptor, does not want it. */
const result = (line: string): void => {
  const code = put(output, `${line}\n`)
  if (code !== undefined && code !== "EPIPE" && code !== "EBADF") lost = code
}

const joined = (write: (line: string) => void) => (...words: ReadonlyArray<unknown>) => write(words.join(" "))

/** Effect's console on these. */
export const layer = Layer.succeed(
  Console,
  Object.assign(Object.create(console), {
    log: joined(result),
    error: joined(write(error))
  })
)

/** The exit code of a process that would end with `code`: another one, and a line that says why, if a result was lost. */
export const exitCode = (code: number, failure: number): number => {
  if (code !== 0 || lost === undefined) return code
  write(error)(`E::Standard output could not be written: ${lost}`)
  return failure
}
