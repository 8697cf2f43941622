/** The connections of a run to its caller: signals, a terminal, and the janitor that the launcher has started. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as host from "fim:host"
import { JanitorLink, type Link } from "../../mount/JanitorLink.ts"
import { Host } from "../../relocate/Host.ts"
import { forwarded, Signals, Suspend } from "../../Signals.ts"
import { onSignals } from "./Caught.ts"
import * as Descriptors from "./Descriptors.ts"
import { signalNumber } from "./SignalNumbers.ts"

const signals = Layer.effect(
  Signals,
  Effect.gen(function*() {
    const queue = yield* Queue.make<number>()
    // After the run the signals have their default effect again.
    yield* onSignals(forwarded, (number) => Queue.offerUnsafe(queue, number))
    return Signals.of({ next: Queue.take(queue) })
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

/** A guest that stops itself must not stop us where nobody could continue us. */
const suspend = (requested: boolean) =>
  Effect.sync(() => {
    if (requested || isInForeground()) host.kill(host.processId(), signalNumber("SIGSTOP"))
  })

export const layer = Layer.mergeAll(
  Layer.effect(JanitorLink, Effect.map(Host, ({ environment }) => janitorLink(environment))),
  Layer.succeed(Suspend, suspend),
  signals
)
