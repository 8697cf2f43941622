/**
 * The host's side of the portal: a fiber of the boot program that decides, and a native process that reads the FIFO, runs
 * allowed programs and moves bytes. The native process caches decisions, so that a repeated request does not go through the
 * runtime. Loaded only for images that allow programs.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { exitCode } from "../Failure.ts"
import { encode, makeDecoder, type Malformed, type Message } from "../messages/Codec.ts"
import { decide, type Policy, usedVariables } from "./Decision.ts"
import { decode } from "./Message.ts"
import { PortalError } from "./PortalError.ts"

const failed = (error: { readonly message: string }) =>
  new PortalError({ reason: "Daemon", detail: `cannot start the portal's daemon: ${error.message}`, cause: error })

/** The longest question, and the longest decision: it holds the environment of the host. In bytes. */
const questionLimit = 8 * 1024 * 1024
const decisionLimit = 16 * 1024 * 1024

/**
 * Serves the guest until the scope closes.
 *
 * @param options `program`: path of `fim`; `portal`: the portal's directory; `policy`: what the image allows
 * @returns once the native process reads requests; fails if it cannot be started
 */
export const serve = Effect.fn("HostDaemon.serve")(
  function*(options: { readonly program: string; readonly portal: string; readonly policy: Policy }) {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const decisions = yield* Queue.make<Uint8Array, Cause.Done>()
    const handle = yield* spawner.spawn(
      ChildProcess.make(options.program, ["portal-host", options.portal, ...usedVariables], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
        detached: false,
        env: {},
        additionalFds: { fd3: { type: "input", stream: Stream.fromQueue(decisions) }, fd4: { type: "output" } }
      })
    ).pipe(Effect.mapError(failed))
    // It exits when the pipe of decisions closes, and ends everything that it has started.
    yield* Effect.addFinalizer(() => Effect.andThen(Queue.end(decisions), Effect.ignore(handle.exitCode)))
    const ready = yield* Deferred.make<void, PortalError>()

    const reply = Effect.fnUntraced(function*(found: Message | Malformed) {
      if (found._tag === "Malformed") return yield* Effect.logDebug(`The portal's daemon sent: ${found.begin}`)
      const message = yield* decode(found.head)
      if (message.kind === "ready") {
        yield* Deferred.succeed(ready, undefined)
        return
      }
      const decision = encode(decide(message, options.policy))
      const refusal = {
        kind: "refuse",
        call: message.call,
        code: exitCode,
        lines: ["E::the environment of the host is too large for a program to be given it"]
      }
      yield* Queue.offer(decisions, decision.length > decisionLimit ? encode(refusal) : decision)
    }, Effect.ignore({ log: "Debug" }))

    const decoder = makeDecoder({ head: questionLimit, body: 0 })
    yield* handle.getOutputFd(4).pipe(
      Stream.runForEach((bytes) => Effect.forEach(decoder.push(bytes), reply, { discard: true })),
      Effect.ignore({ log: "Debug" }),
      Effect.andThen(Deferred.fail(ready, failed({ message: "it has ended" }))),
      Effect.forkScoped
    )
    yield* Deferred.await(ready)
  }
)
