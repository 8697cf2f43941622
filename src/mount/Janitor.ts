import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ByteString from "../ByteString.ts"
import type { Host } from "../relocate/Host.ts"
import { Relocate } from "../relocate/Relocate.ts"
import { Judged, type Purpose } from "../relocate/TrustedDirectory.ts"
import { Suspend } from "../Signals.ts"
import * as Utf8 from "../Utf8.ts"
import { connect } from "./JanitorLink.ts"

export class JanitorError extends Data.TaggedError("JanitorError")<{
  /** `Refused`: it answered that it cannot. `Gone`: it has ended, or answered with something else. */
  readonly reason: "Refused" | "Gone"
  readonly operation: string
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** The answer to a request that only says that it was done. */
export const Done = Schema.Struct({})
const Reply = Schema.fromJsonString(
  Schema.Struct({
    id: Schema.Int,
    ok: Schema.optionalKey(Schema.Unknown),
    error: Schema.optionalKey(Schema.String),
    /** Told before the request is answered. */
    event: Schema.optionalKey(Schema.Literal("stopped")),
    asked: Schema.optionalKey(Schema.Boolean)
  })
)

/**
 * The native process that holds the mounts of an instance and cleans up after us, however we end: the way to it. It is told of every
 * mount by being the one who makes it. What it can be asked for is in `Instance`.
 */
export class Janitor extends Context.Service<Janitor, {
  /** Judges a directory. Before there is an instance, or not at all. */
  readonly examine: (path: string, purpose: Purpose) => Effect.Effect<Judged, JanitorError>
  /** Sends a request: its name, what else is in it, and the form of its answer. The inner effect waits for that. */
  readonly send: <A>(
    operation: string,
    body: object,
    answer: Schema.Codec<A, unknown>
  ) => Effect.Effect<Effect.Effect<A, JanitorError>, JanitorError>
  /** Whether it may go on when we have ended. */
  readonly outlivesUs: boolean
  /** Says that nothing more will be asked: it takes down what it holds, unless it was left. */
  readonly end: Effect.Effect<void>
  /** Waits until it has taken everything down. */
  readonly ended: Effect.Effect<void>
}>()("flatimage/mount/Janitor") {
  static readonly layer: Layer.Layer<
    Janitor,
    JanitorError,
    Host | Relocate | ChildProcessSpawner.ChildProcessSpawner
  > = Layer.effect(Janitor, Effect.suspend(() => make()))
}

/** From the end of one stop to the next, at least. */
const pause = "100 millis"

const gone = (operation: string, detail: string) => new JanitorError({ reason: "Gone", operation, detail })

const make = Effect.fnUntraced(function*() {
  yield* Effect.logDebug("Phase: janitor")
  const suspend = yield* Suspend
  const pending = new Map<number, Deferred.Deferred<unknown, JanitorError>>()
  const stops = yield* Queue.make<boolean>()
  const link = yield* connect.pipe(Effect.mapError((error) => gone("start", error.message)))

  const settle = Effect.fnUntraced(function*(line: string) {
    const reply = yield* Schema.decodeUnknownEffect(Reply)(line)
    if (reply.event === "stopped") {
      yield* Queue.offer(stops, reply.asked === true)
      return
    }
    const waiting = pending.get(reply.id)
    pending.delete(reply.id)
    if (waiting === undefined) return
    yield* reply.error === undefined
      ? Deferred.succeed(waiting, reply.ok)
      : Deferred.fail(waiting, new JanitorError({ reason: "Refused", operation: "request", detail: reply.error }))
  })
  const answers = yield* link.replies.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach(settle),
    Effect.ignore({ log: "Debug" }),
    Effect.andThen(
      Effect.suspend(() =>
        Effect.forEach(pending.values(), (waiting) => Deferred.fail(waiting, gone("request", "the janitor has ended")))
      )
    ),
    Effect.forkScoped
  )
  const end = yield* Effect.cached(link.end)
  yield* Effect.addFinalizer(() => end)

  let next = 0
  const send = Effect.fnUntraced(function*<A>(operation: string, body: object, answer: Schema.Codec<A, unknown>) {
    const id = next++
    const waiting = yield* Deferred.make<unknown, JanitorError>()
    pending.set(id, waiting)
    yield* link.send(Utf8.encode(`${JSON.stringify({ id, op: operation, ...body })}\n`)).pipe(
      Effect.mapError((error) => gone(operation, error.message))
    )
    return Deferred.await(waiting).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(answer)),
      Effect.mapError((error) =>
        error._tag === "JanitorError"
          ? error
          : gone(operation, `the janitor gave an answer to '${operation}' that makes no sense`)
      )
    )
  })
  // Not again before we have answered, and not at once: signals that came while we were stopped are passed on first.
  yield* Queue.take(stops).pipe(
    Effect.flatMap(suspend),
    Effect.andThen(Effect.sleep(pause)),
    Effect.andThen(Effect.flatten(send("resumed", {}, Done))),
    Effect.forever,
    Effect.ignore({ log: "Debug" }),
    Effect.forkScoped
  )
  return Janitor.of({
    examine: Effect.fn("Janitor.examine")((path, purpose) =>
      Effect.flatten(send("examine", { path: ByteString.ofText(path), purpose }, Judged))
    ),
    send,
    outlivesUs: link.outlivesUs,
    end,
    ended: Effect.asVoid(Fiber.await(answers))
  })
})
