import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Sends a signal to the program. With `spareGroup` not if the program has just got it itself, because it was sent to the
 * whole process group.
 */
export type Deliver = (signal: number, spareGroup: boolean) => Effect.Effect<void>

/**
 * Numbers of the signals that are for the program, the same on every Linux architecture that we support: all that can be caught. Those
 * that the kernel sends to this process for what it does itself, such as SIGPIPE, do not count; a platform tells them apart.
 */
export const numbers = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31
} as const

/** Cannot be caught. */
const kill = 9

/** Real-time signals, which have no names. The C library reserves the first two, 32 and 33, for its threads. */
const realTime = { first: 34, last: 64 } as const

/** All signals that are forwarded to the program. */
export const forwarded: ReadonlyArray<number> = [
  ...Object.values(numbers),
  ...Array.from({ length: realTime.last - realTime.first + 1 }, (_, index) => realTime.first + index)
]

/** Signals that end no process by default. */
const harmless: ReadonlySet<number> = new Set([
  numbers.SIGCHLD,
  numbers.SIGCONT,
  numbers.SIGTSTP,
  numbers.SIGTTIN,
  numbers.SIGTTOU,
  numbers.SIGURG,
  numbers.SIGWINCH
])

/**
 * Called when the program has stopped, as by ^Z. The boot program then stops itself: a shell that waits for it must
 * not continue before the program has released the terminal. `asked`: the boot program was sent a signal that requests a stop;
 * `signal`: the one that has stopped the program. By default nothing.
 */
export const Suspend = Context.Reference<(asked: boolean, signal: number) => Effect.Effect<void>>("flatimage/Suspend", {
  defaultValue: () => () => Effect.void
})

/** Signals that this process gets. */
export class Signals extends Context.Service<Signals, {
  /** Waits for the next one. */
  readonly next: Effect.Effect<number>
  /** Those that the caller has had ignored. They end nothing before there is a program, and the program has them ignored too. */
  readonly ignored: ReadonlySet<number>
}>()("flatimage/Signals") {}

/**
 * Forwards signals until the run is over. The program decides what it does with them, and how long it takes to end.
 *
 * @param deliverer returns the function that delivers signals, once there is a program
 * @param patience seconds after SIGTERM until the program is killed; absent if it never is
 * @returns the exit code for a signal that arrived before there was a program
 */
export const attend = Effect.fnUntraced(function*(
  deliverer: Effect.Effect<Deliver | undefined>,
  patience: number | undefined
) {
  const signals = yield* Signals
  let isTimed = false
  while (true) {
    const signal = yield* signals.next
    const deliver = yield* deliverer
    if (deliver === undefined) {
      if (harmless.has(signal) || signals.ignored.has(signal)) continue
      return 128 + signal
    }
    // The janitor knows which of them the whole process group has got, and with it the program.
    yield* deliver(signal, true)
    if (signal === numbers.SIGTERM && patience !== undefined && !isTimed) {
      isTimed = true
      yield* Effect.forkChild(Effect.andThen(Effect.sleep(patience * 1000), deliver(kill, false)))
    }
  }
})
