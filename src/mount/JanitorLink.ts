import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Host } from "../relocate/Host.ts"
import { Relocate } from "../relocate/Relocate.ts"

/** The pipes to a janitor. `replies` ends when the instance is released. */
export interface Link {
  readonly send: (bytes: Uint8Array) => Effect.Effect<void, PlatformError.PlatformError>
  readonly replies: Stream.Stream<Uint8Array, PlatformError.PlatformError>
  /** Whether the janitor can continue after we have ended. One that we have started ends with our scope. */
  readonly outlivesUs: boolean
  /** Closes the request pipe: the janitor releases everything, unless `leave` has handed it over. */
  readonly end: Effect.Effect<void>
}

/** The janitor that the launcher has started while this program was loading. */
export const JanitorLink = Context.Reference<Link | undefined>("flatimage/mount/JanitorLink", {
  defaultValue: () => undefined
})

/** Standard input, output and error of the program, for a janitor that we start; by default ours. */
export const StandardStreams = Context.Reference<
  Pick<ChildProcess.CommandOptions, "stdin" | "stdout" | "stderr">
>("flatimage/mount/StandardStreams", {
  defaultValue: () => ({ stdin: "inherit", stdout: "inherit", stderr: "inherit" })
})

/** Starts a janitor of our own. */
const start: Effect.Effect<
  Link,
  PlatformError.PlatformError,
  Host | Relocate | ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
> = Effect.gen(function*() {
  const { directories } = yield* Relocate
  const host = yield* Host
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const streams = yield* StandardStreams
  const requests = yield* Queue.make<Uint8Array, Cause.Done>()
  const handle = yield* spawner.spawn(ChildProcess.make(`${directories.bin}/fim`, ["janitor"], {
    ...streams,
    detached: false,
    env: { FIM_TRUST_GROUP: host.environment["FIM_TRUST_GROUP"] },
    additionalFds: { fd3: { type: "input", stream: Stream.fromQueue(requests) }, fd4: { type: "output" } }
  }))
  // A sink receives data only while its stream runs.
  const drains = yield* Effect.forEach(
    [streams.stdout, streams.stderr].flatMap((stream, index) =>
      typeof stream === "object" ? [index === 0 ? handle.stdout : handle.stderr] : []
    ),
    (stream) => Effect.forkScoped(Stream.runDrain(stream))
  )
  return {
    send: (bytes) => Effect.asVoid(Queue.offer(requests, bytes)),
    replies: handle.getOutputFd(4),
    outlivesUs: false,
    // Waits, because the child's scope would otherwise end it by a signal before it has released everything.
    end: Queue.end(requests).pipe(
      Effect.andThen(Effect.ignore(handle.exitCode)),
      Effect.andThen(Fiber.awaitAll(drains)),
      Effect.asVoid
    )
  }
})

/** Connects to the launcher's janitor if there is one, else starts one. */
export const connect: Effect.Effect<
  Link,
  PlatformError.PlatformError,
  Host | Relocate | ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
> = Effect.flatMap(JanitorLink, (link) => link === undefined ? start : Effect.succeed(link))
