/** This process, on Node, as a {@link Host}: for the command line and for programs that embed flatimage. */
import { readFileSync } from "node:fs"
import { Host } from "../src/relocate/Host.ts"

/** The caller's words as bytes. The runtime gives them as text, in which what is not UTF-8 is lost. */
const args = (): ReadonlyArray<Uint8Array> => {
  const count = process.argv.length - 2
  const all = readFileSync("/proc/self/cmdline").toString("latin1").split("\0").slice(0, -1)
  return all.slice(all.length - count).map((word) => new Uint8Array(Buffer.from(word, "latin1")))
}

/** Nothing where it was removed: nothing starts in such a directory. */
const directory = (): string | undefined => {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

/**
 * This process. In: variables to add to its environment, such as those of an unpacked image, and a number that is
 * different for each image that it runs at the same time.
 */
export const make = (options?: {
  readonly environment?: Readonly<Record<string, string>>
  readonly number?: number
}): Host["Service"] =>
  Host.of({
    environment: { ...process.env, ...options?.environment },
    pid: process.pid,
    ...(options?.number === undefined ? {} : { instance: `${process.pid}-${options.number}` }),
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    architecture: process.arch,
    directory: directory(),
    args: args()
  })
