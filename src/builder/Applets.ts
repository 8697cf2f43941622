import * as Effect from "effect/Effect"
import { type BuildError, buildError } from "./BuildError.ts"

/** The first two entries of the table of names, sorted by their bytes. A zero byte ends each name. */
const beginning = "[\0[[\0"

/**
 * The names of busybox's programs, read from its file, because a busybox for another architecture cannot be run.
 *
 * @param path of the file, for messages
 * @param bytes its content
 * @returns the output of `busybox --list` without busybox itself; fails with `BuildError` unless there is exactly one table
 *   of names
 */
export const appletsOf = (path: string, bytes: Uint8Array): Effect.Effect<ReadonlyArray<string>, BuildError> => {
  // One character for each byte.
  const text = new TextDecoder("latin1").decode(bytes)
  const from = text.indexOf(beginning)
  const to = text.indexOf("\0\0", from)
  const names = from < 0 || to < 0 ? [] : text.slice(from, to).split("\0")
  return names.every((name) => /^[\w.[-]{1,32}$/.test(name)) && names.includes("sh") &&
      text.indexOf(beginning, from + 1) < 0
    ? Effect.succeed(names.filter((name) => name !== "busybox"))
    : Effect.fail(buildError("BadBinary", { path, detail: "it is not a busybox with a table of its programs" }))
}
