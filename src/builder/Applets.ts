import * as Effect from "effect/Effect"
import { type BuildError, buildError } from "./BuildError.ts"

/** In the table of names each ends with a zero byte; these two are the first, in the order of their bytes. */
const beginning = "[\0[[\0"

/**
 * The names of the programs that a busybox has, read from its file: one for another architecture cannot be run to ask it. The result is
 * what `busybox --list` prints, without busybox itself. Fails with `BuildError` if there is not exactly one table of names.
 */
export const appletsOf = (path: string, bytes: Uint8Array): Effect.Effect<ReadonlyArray<string>, BuildError> => {
  // One character a byte.
  const text = new TextDecoder("latin1").decode(bytes)
  const from = text.indexOf(beginning)
  const to = text.indexOf("\0\0", from)
  const names = from < 0 || to < 0 ? [] : text.slice(from, to).split("\0")
  return names.every((name) => /^[\w.[-]{1,32}$/.test(name)) && names.includes("sh") &&
      text.indexOf(beginning, from + 1) < 0
    ? Effect.succeed(names.filter((name) => name !== "busybox"))
    : Effect.fail(buildError("BadBinary", { path, detail: "it is not a busybox with a table of its programs" }))
}
