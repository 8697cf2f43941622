import * as Effect from "effect/Effect"
import * as host from "fim:host"
import * as Output from "./Output.ts"
import { attempt } from "./SystemError.ts"

/** O_WRONLY, O_CREAT and O_APPEND of `open(2)`. */
const flags = 0o2101

/**
 * Opens a file that only its owner can read.
 *
 * @returns a function that writes a line to it
 */
export const open = (path: string): Effect.Effect<(line: string) => void> =>
  Effect.map(
    Effect.orDie(attempt("FileSystem", "open", path, () => host.open(path, flags, 0o600))),
    (descriptor) => Output.write(descriptor)
  )
