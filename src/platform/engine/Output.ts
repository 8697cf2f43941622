/** The standard streams of the caller. What is written is written at once and whole: the process may end right after. */
import { Console } from "effect/Console"
import * as Layer from "effect/Layer"
import * as host from "fim:host"
import { codeOf } from "./SystemError.ts"

/** The caller's own: their flags belong to the caller, and nobody here changes them. */
export const [input, output, error] = [0, 1, 2] as const

/** Why a result could not be written, once one could not. */
let lost: string | undefined

/** Writes text or bytes. Returns the code of what the system refused it with, if it did. */
export const put = (descriptor: number, content: string | Uint8Array): string | undefined => {
  const bytes = typeof content === "string" ? new Uint8Array(host.encode(content)) : content
  const refused = host.writeWhole(descriptor, bytes)
  return refused === 0 ? undefined : codeOf(refused)
}

/** Writes a line of the log or of an error. One that cannot be written is lost, and nothing else with it. */
export const write = (descriptor: number) => (line: string): void => void put(descriptor, `${line}\n`)

/** Writes a line of a result. Whoever has gone away, or closed the descriptor, does not want it. */
const result = (line: string): void => {
  const code = put(output, `${line}\n`)
  if (code !== undefined && code !== "EPIPE" && code !== "EBADF") lost = code
}

const joined = (write: (line: string) => void) => (...values: ReadonlyArray<unknown>) => write(values.join(" "))

/** Effect's console on these. */
export const layer = Layer.sync(
  Console,
  () => Object.assign(Object.create(globalThis.console), { log: joined(result), error: joined(write(error)) })
)

/** The exit code of a process that would end with `code`: another one, and a line that says why, if a result was lost. */
export const exitCode = (code: number, failure: number): number => {
  if (code !== 0 || lost === undefined) return code
  write(error)(`E::Standard output could not be written: ${lost}`)
  return failure
}
