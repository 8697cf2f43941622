/** Effect's standard streams, on the caller's. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as host from "fim:host"
import * as Descriptors from "./Descriptors.ts"
import * as Output from "./Output.ts"

/** Failed writes are ignored. */
const sink = (descriptor: number) => () =>
  Sink.forEach((content: string | Uint8Array) => Effect.sync(() => void Output.put(descriptor, content)))

const isTerminal = (descriptor: number) => Effect.sync(() => host.isTerminal(descriptor))

export const layer = Layer.succeed(
  Stdio.Stdio,
  Stdio.make({
    args: Effect.sync(() => host.arguments()),
    stdinIsTerminal: isTerminal(Output.input),
    stdoutIsTerminal: isTerminal(Output.output),
    stderrIsTerminal: isTerminal(Output.error),
    stdin: Descriptors.stream("Stdio", Output.input),
    stdout: sink(Output.output),
    stderr: sink(Output.error)
  })
)
