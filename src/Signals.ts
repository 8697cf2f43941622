import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Sends a signal to the program. With `fromTerminal` not if the terminal has sent it itself; the answer says whether. */
export type Deliver = (signal: number, fromTerminal: boolean) => Effect.Effect<boolean>

/** Numbers of the signals that are for the program, the same on every Linux architecture that we support. */
export const numbers = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15, SIGTSTP: 20 } as const

const kill = 9
/** How long a program may take to end after it was told to. */
const grace = "5 seconds"

const fromTerminal: ReadonlySet<number> = new Set([numbers.SIGINT, numbers.SIGQUIT, numbers.SIGTSTP])

/**
 * What is done when the program has stopped, as by ^Z. The boot program then stops itself: a shell that waits for it must
 * not go on before the program has let go of the terminal. Nothing, unless told.
 */
export const Suspend = Context.Reference<Effect.Effect<void>>("flatimage/Suspend", { defaultValue: () => Effect.void })

/** Signals that this process gets. */
export class Signals extends Context.Service<Signals, {
  /** Waits for the next one. */
  readonly next: Effect.Effect<number>
}>()("flatimage/Signals") {}

/**
 * Answers signals until the run is over. ^C, ^\ and ^Z of a terminal belong to the program, which has got them already. Any
 * other is sent on to it; if it was to end and has not after some seconds, or at the next signal, it is killed. The answer is
 * the exit code for a signal that came before there was a program to tell.
 */
export const attend = Effect.fnUntraced(function*(deliverer: Effect.Effect<Deliver | undefined>) {
  const signals = yield* Signals
  while (true) {
    const signal = yield* signals.next
    const deliver = yield* deliverer
    const isStop = signal === numbers.SIGTSTP
    if (deliver === undefined) {
      if (isStop) continue
      return 128 + signal
    }
    const spared = yield* deliver(signal, fromTerminal.has(signal))
    if (spared || isStop) continue
    yield* Effect.raceFirst(signals.next, Effect.sleep(grace))
    yield* deliver(kill, false)
  }
})
