/** Reads keys or lines of the terminal and shows what it was given. It runs on each platform. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Terminal from "effect/Terminal"

/** A test waits for the word and its number. */
const show = (word: string, number: number, value: unknown) =>
  Effect.flatMap(
    Terminal.Terminal,
    (terminal) => Effect.ignore(terminal.display(`${word}${number} ${JSON.stringify(value)}\n`))
  )

const keys = Effect.gen(function*() {
  const terminal = yield* Terminal.Terminal
  const queue = yield* terminal.readInput
  yield* show("READY", 1, null)
  for (let number = 1;; number++) {
    const { input, key } = yield* Queue.take(queue)
    yield* show("KEY", number, { input: input._tag === "Some" ? input.value : null, ...key })
  }
}).pipe(Effect.scoped, Effect.ignore, Effect.andThen(show("END", 1, null)))

const lines = Effect.gen(function*() {
  const terminal = yield* Terminal.Terminal
  yield* show("READY", 2, null)
  for (let number = 1;; number++) yield* show("LINE", number, yield* terminal.readLine)
}).pipe(Effect.catch((error) => show("END", 2, error._tag)))

/** Keys, and then lines, for `both`. */
export const read = (what: string): Effect.Effect<void, never, Terminal.Terminal> =>
  what === "keys" ? keys : what === "lines" ? lines : Effect.andThen(keys, lines)
