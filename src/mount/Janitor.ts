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
import { Background } from "../Background.ts"
import * as ByteString from "../ByteString.ts"
import type { Host } from "../relocate/Host.ts"
import { Relocate } from "../relocate/Relocate.ts"
import { type Purpose, Verdict } from "../relocate/TrustedDirectory.ts"
import { Suspend } from "../Signals.ts"
import * as Utf8 from "../Utf8.ts"
import { connect } from "./JanitorLink.ts"

/** A request to the janitor failed. */
export class JanitorError extends Data.TaggedError("JanitorError")<{
  /** `Refused`: the janitor replied with an error. `Gone`: it has ended, or its reply is invalid. */
  readonly reason: "Refused" | "Gone"
  readonly operation: string
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** The reply to a request that returns no data. */
export const Done = Schema.Struct({})
const Reply = Schema.fromJsonString(
  Schema.Struct({
    id: Schema.Int,
    ok: Schema.optionalKey(Schema.Unknown),
    error: Schema.optionalKey(Schema.String),
    /** Sent before the reply to the request. */
    event: Schema.optionalKey(Schema.Literals(["started", "stopped"])),
    asked: Schema.optionalKey(Schema.Boolean),
    signal: Schema.optionalKey(Schema.Int)
  })
)

/**
 * The connection to the native process that holds the mounts of an instance and cleans up after us, however we end. It performs every
 * mount itself, so it knows what to undo. `Instance` has its requests.
 */
export class Janitor extends Context.Service<Janitor, {
  /**
   * Checks whether nobody else can change a directory. Only before the instance is acquired.
   *
   * @param path absolute
   * @param purpose how the directory will be used
   */
  readonly examine: (path: string, purpose: Purpose) => Effect.Effect<Verdict, JanitorError>
  /**
   * Sends a request.
   *
   * @param operation its name
   * @param body its other fields
   * @param answer the schema of its reply
   * @returns an effect that waits for the reply
   */
  readonly send: <A>(
    operation: string,
    body: object,
    answer: Schema.Codec<A, unknown>
  ) => Effect.Effect<Effect.Effect<A, JanitorError>, JanitorError>
  /** Whether it can continue after we have ended. */
  readonly outlivesUs: boolean
  /** Closes the request pipe: the janitor releases what it holds, unless `leave` has handed it over. */
  readonly end: Effect.Effect<void>
  /** Waits until it has released everything. */
  readonly ended: Effect.Effect<void>
}>()("flatimage/mount/Janitor") {
  static readonly layer: Layer.Layer<
    Janitor,
    JanitorError,
    Host | Relocate | ChildProcessSpawner.ChildProcessSpawner
  > = Layer.effect(Janitor, Effect.suspend(() => make()))
}

/** The least time between two stops. */
const pause = "100 millis"

const gone = (operation: string, detail: string) => new JanitorError({ reason: "Gone", operation, detail })

const make = Effect.fnUntraced(function*() {
  yield* Effect.logDebug("Phase: janitor")
  const suspend = yield* Suspend
  const background = yield* Background
  const pending = new Map<number, Deferred.Deferred<unknown, JanitorError>>()
  const stops = yield* Queue.make<readonly [asked: boolean, signal: number]>()
  const link = yield* connect.pipe(Effect.mapError((error) => gone("start", error.message)))

  const settle = Effect.fnUntraced(function*(line: string) {
    const reply = yield* Schema.decodeUnknownEffect(Reply)(line)
    if (reply.event === "stopped") {
      yield* Queue.offer(stops, [reply.asked === true, reply.signal ?? 0])
      return
    }
    if (reply.event === "started") {
      if (background !== undefined) yield* background.started
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
  // The janitor reports no further stop before `resumed`. The pause forwards signals first that arrived while we were stopped.
  yield* Queue.take(stops).pipe(
    Effect.flatMap(([asked, signal]) => suspend(asked, signal)),
    Effect.andThen(Effect.sleep(pause)),
    Effect.andThen(Effect.flatten(send("resumed", {}, Done))),
    Effect.forever,
    Effect.ignore({ log: "Debug" }),
    Effect.forkScoped
  )
  return Janitor.of({
    examine: Effect.fn("Janitor.examine")((path, purpose) =>
      Effect.flatten(send("examine", { path: ByteString.ofText(path), purpose }, Verdict))
    ),
    send,
    outlivesUs: link.outlivesUs,
    end,
    ended: Effect.asVoid(Fiber.await(answers))
  })
})
