import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Sends a signal to the program. With `spareGroup` not if the program has just got it itself, because it was sent to the
 * whole process group.
 */
export type Deliver = (signal: number, spareGroup: boolean) => Effect.Effect<void>

/**
 * Numbers of the signals that are for the program, the same on every Linux architecture that we support. Left out are those
 * that cannot be caught, SIGCHLD, and those that the kernel sends to this process for what it does itself: SIGPIPE, SIGXFSZ and
 * faults of memory and arithmetic.
 */
export const numbers = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCONT: 18,
  SIGTSTP: 20,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31
} as const

/** Real-time signals, which have no names. The C library reserves the first two, 32 and 33, for its threads. */
const realTime = { first: 34, last: 64 } as const

/** All signals that are forwarded to the program. */
export const forwarded: ReadonlyArray<number> = [
  ...Object.values(numbers),
  ...Array.from({ length: realTime.last - realTime.first + 1 }, (_, index) => realTime.first + index)
]

/** Signals that a terminal or a shell sends to the whole process group, including the program. */
const toGroup: ReadonlySet<number> = new Set([
  numbers.SIGINT,
  numbers.SIGQUIT,
  numbers.SIGTSTP,
  numbers.SIGCONT,
  numbers.SIGWINCH
])

/** Signals that end no process by default. */
const harmless: ReadonlySet<number> = new Set([
  numbers.SIGTSTP,
  numbers.SIGCONT,
  numbers.SIGURG,
  numbers.SIGWINCH
])

/**
 * Called when the program has stopped, as by ^Z. The boot program then stops itself: a shell that waits for it must
 * not continue before the program has released the terminal. `asked`: the boot program was sent a signal that requests a stop.
 * By default nothing.
 */
export const Suspend = Context.Reference<(asked: boolean) => Effect.Effect<void>>("flatimage/Suspend", {
  defaultValue: () => () => Effect.void
})

/** Signals that this process gets. */
export class Signals extends Context.Service<Signals, {
  /** Waits for the next one. */
  readonly next: Effect.Effect<number>
}>()("flatimage/Signals") {}

/**
 * Forwards signals until the run is over. The program decides what it does with them, and how long it takes
 * to end. Returns the exit code for a signal that arrived before there was a program.
 */
export const attend = Effect.fnUntraced(function*(deliverer: Effect.Effect<Deliver | undefined>) {
  const signals = yield* Signals
  while (true) {
    const signal = yield* signals.next
    const deliver = yield* deliverer
    if (deliver !== undefined) yield* deliver(signal, toGroup.has(signal))
    else if (!harmless.has(signal)) return 128 + signal
  }
})
