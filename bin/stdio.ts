/** Effect's standard streams on those of the caller. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { isatty } from "node:tty"
import * as Output from "./output.ts"

/** What cannot be written is lost. */
const sink = (descriptor: number) => () =>
  Sink.forEach((content: string | Uint8Array) => Effect.sync(() => void Output.put(descriptor, content)))

/** Nothing of ours reads standard input. */
export const layer = Layer.succeed(
  Stdio.Stdio,
  Stdio.make({
    args: Effect.sync(() => process.argv.slice(2)),
    stdinIsTerminal: Effect.sync(() => isatty(Output.input)),
    stdoutIsTerminal: Effect.sync(() => isatty(Output.output)),
    stderrIsTerminal: Effect.sync(() => isatty(Output.error)),
    stdin: Stream.empty,
    stdout: sink(Output.output),
    stderr: sink(Output.error)
  })
)
