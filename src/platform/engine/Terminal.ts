/** Effect's terminal, on standard input and standard output. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import * as host from "fim:host"
import { onSignals } from "./Caught.ts"
import * as Descriptors from "./Descriptors.ts"
import { keysOf } from "./Keys.ts"
import * as Output from "./Output.ts"
import { attempt } from "./SystemError.ts"

/** SIGWINCH has this number on every supported architecture. */
const windowChange = 28

const none: Terminal.Size = { columns: 0, rows: 0 }

const currentSize: Effect.Effect<Terminal.Size> = attempt("Terminal", "size", Output.output, () => {
  const [columns, rows] = host.windowSize(Output.output)
  return { columns, rows }
}).pipe(Effect.orElseSucceed(() => none))

const size = Effect.gen(function*() {
  const queue = yield* Queue.sliding<Terminal.Size, Cause.Done>(1)
  yield* onSignals(
    [windowChange],
    () => Effect.runSync(Effect.flatMap(currentSize, (size) => Queue.offer(queue, size)))
  )
  yield* Queue.offer(queue, yield* currentSize)
  yield* Effect.addFinalizer(() => Queue.end(queue))
  return queue
})

const isQuit = ({ key }: Terminal.UserInput): boolean =>
  key.name === "escape" || (key.ctrl && (key.name === "c" || key.name === "d"))

const raw = Effect.acquireRelease(
  Effect.sync(() => {
    const isTerminal = host.isTerminal(Output.input)
    if (isTerminal) host.setRawMode(Output.input, true)
    return isTerminal
  }),
  (isTerminal) => isTerminal ? Effect.sync(() => host.setRawMode(Output.input, false)) : Effect.void
)

const readInput = Effect.gen(function*() {
  const queue = yield* Queue.make<Terminal.UserInput, Cause.Done>()
  yield* raw
  yield* Descriptors.stream("Terminal", Output.input).pipe(
    Stream.decodeText(),
    Stream.runForEach((text) =>
      Effect.forEach(
        keysOf(text),
        (input) => Effect.andThen(Queue.offer(queue, input), isQuit(input) ? Queue.end(queue) : Effect.void)
      )
    ),
    Effect.ignore,
    Effect.andThen(Queue.end(queue)),
    Effect.forkScoped
  )
  return queue as Queue.Dequeue<Terminal.UserInput, Cause.Done>
})

/** The beginning of the next line, as far as it was read. */
let partialLine = ""

const readLine: Effect.Effect<string, Terminal.QuitError> = Effect.suspend(() => {
  const end = partialLine.indexOf("\n")
  if (end >= 0) {
    const line = partialLine.slice(0, end)
    partialLine = partialLine.slice(end + 1)
    return Effect.succeed(line.replace(/\r$/, ""))
  }
  return Descriptors.stream("Terminal", Output.input).pipe(
    Stream.runHead,
    Effect.orElseSucceed(() => Option.none<Uint8Array>()),
    Effect.flatMap(Option.match({
      onNone: () => Effect.fail(new Terminal.QuitError({})),
      onSome: (bytes) => {
        partialLine += host.toName(bytes)
        return readLine
      }
    }))
  )
})

export const layer = Layer.succeed(
  Terminal.Terminal,
  Terminal.make({
    columns: Effect.map(currentSize, ({ columns }) => columns),
    rows: Effect.map(currentSize, ({ rows }) => rows),
    size,
    readInput,
    readLine,
    display: (text) => Effect.sync(() => void Output.put(Output.output, text))
  })
)
