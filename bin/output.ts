/**
 * The standard streams of the caller, on Node. What is written is written at once and whole: the process may end right after.
 *
 * Node does not get them as its own, because it would change their flags, which the caller shares; see
 * `docs/decisions/0024-streams.md`. Nothing here asks for `process.stdin`, `process.stdout` or `process.stderr`.
 */
import { writeSync } from "node:fs"
import { make } from "../src/platform/Printing.ts"

/** Descriptors of the caller's standard input, output and error. `bin/flatimage` says where it has put them. */
export const [input, output, error] = ((): readonly [number, number, number] => {
  const told = process.env["FIM_STREAMS"]?.match(/^(\d+),(\d+),(\d+)$/)
  // No program that is started from here has them.
  delete process.env["FIM_STREAMS"]
  return told === null || told === undefined ? [0, 1, 2] : [Number(told[1]), Number(told[2]), Number(told[3])]
})()

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

export const { exitCode, layer, write } = make(put, output, error)
