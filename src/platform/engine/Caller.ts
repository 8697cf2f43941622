/** The connections of a run to its caller: signals, a terminal, and the janitor that the launcher has started. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as host from "fim:host"
import { Background } from "../../Background.ts"
import { JanitorLink, type Link } from "../../mount/JanitorLink.ts"
import { Host } from "../../relocate/Host.ts"
import { forwarded, numbers, Signals, Suspend } from "../../Signals.ts"
import { onSignals } from "./Caught.ts"
import * as Descriptors from "./Descriptors.ts"
import { signalNumber } from "./SignalNumbers.ts"

/** The launcher's list of signals that the caller has had ignored: hexadecimal digits, in which signal 1 is the lowest bit. */
const ignoredIn = (environment: Host["Service"]["environment"]): ReadonlySet<number> => {
  const bits = Number.parseInt(environment["FIM_IGNORED"] ?? "0", 16)
  return new Set(forwarded.filter((signal) => signal < 32 && Math.floor(bits / 2 ** (signal - 1)) % 2 === 1))
}

const signals = Layer.effect(
  Signals,
  Effect.gen(function*() {
    const { environment } = yield* Host
    const queue = yield* Queue.make<number>()
    // After the run the signals have their default effect again.
    yield* onSignals(forwarded, (number) => Queue.offerUnsafe(queue, number))
    return Signals.of({ next: Queue.take(queue), ignored: ignoredIn(environment) })
  })
)

/** The janitor that the launcher started: one descriptor for requests, one for replies. */
const janitorLink = (environment: Host["Service"]["environment"]): Link | undefined => {
  const match = environment["FIM_JANITOR"]?.match(/^(\d+),(\d+)$/)
  if (match === null || match === undefined) return undefined
  const [requests, replies] = [Number(match[1]), Number(match[2])]
  return {
    send: (bytes) => Descriptors.writeAll("Janitor", requests, bytes),
    replies: Descriptors.stream("Janitor", replies),
    outlivesUs: true,
    end: Effect.sync(() => host.close(requests))
  }
}

/** Whether this process is in the foreground of its terminal, where a shell may wait until it stops. */
const isInForeground = (): boolean => {
  // After the name: state, parent, group, session, terminal, foreground group of the terminal.
  const stat = host.toLatin1(new Uint8Array(host.readFile("/proc/self/stat")))
  const [, , group, , , foreground] = stat.split(") ").at(-1)?.split(" ") ?? []
  return group !== undefined && group === foreground
}

/** By these a terminal stops what is not in its foreground. Shells wait for that too. */
const ofBackground: ReadonlySet<number> = new Set([numbers.SIGTTIN, numbers.SIGTTOU])

/**
 * Stops this process as the program has stopped, so that a shell shows the same. A guest that stops itself must not stop us where nobody
 * could continue us: the kernel sees to that, unless somebody has sent us the signal.
 */
const suspend = (requested: boolean, signal: number) =>
  Effect.sync(() => {
    if (requested) host.stop(signalNumber("SIGSTOP"))
    else if (ofBackground.has(signal)) host.stop(signal)
    else if (isInForeground()) host.stop(numbers.SIGTSTP)
  })

/**
 * The process that has put this run into the background: the variable names a descriptor of its pipe and the instance, as
 * `instances/background.rs` does.
 */
const background = (environment: Host["Service"]["environment"]): Background | undefined => {
  const [, descriptor = "", name = ""] = environment["FIM_BACKGROUND"]?.match(/^(\d+),(.+)$/) ?? []
  if (name === "") return undefined
  return {
    name,
    started: Effect.sync(() => {
      host.changeDirectory("/")
      host.writeWhole(Number(descriptor), Uint8Array.of(1))
      host.close(Number(descriptor))
    })
  }
}

export const layer = Layer.mergeAll(
  Layer.effect(Background, Effect.map(Host, ({ environment }) => background(environment))),
  Layer.effect(JanitorLink, Effect.map(Host, ({ environment }) => janitorLink(environment))),
  Layer.succeed(Suspend, suspend),
  signals
)
