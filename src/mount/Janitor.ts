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
import { encode, makeDecoder, type Malformed, type Message } from "../messages/Codec.ts"
import { Done, fields, invalid, problemOf } from "../messages/Reply.ts"
import type { Host } from "../relocate/Host.ts"
import { Relocate } from "../relocate/Relocate.ts"
import { type Purpose, Verdict } from "../relocate/TrustedDirectory.ts"
import { Suspend } from "../Signals.ts"
import { connect } from "./JanitorLink.ts"

/** A request to the janitor failed. */
export class JanitorError extends Data.TaggedError("JanitorError")<{
  /** `Refused`: the janitor replied with an error. `Gone`: it has ended, or its reply is invalid. */
  readonly reason: "Refused" | "Gone"
  readonly operation: string
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}

const Reply = Schema.fromJsonString(
  Schema.Struct({
    ...fields,
    id: Schema.Int,
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

/** The content of a file of the guest is the longest reply: one byte of it may take six in JSON. */
const limits = { head: 64 * 1024 * 1024, body: 0 }

const gone = (operation: string, detail: string, cause?: unknown) =>
  new JanitorError({ reason: "Gone", operation, detail, cause })

const notUnderstood = (operation: string, got: string, error: { readonly message: string; readonly cause?: unknown }) =>
  gone(operation, `the janitor cannot be understood: ${invalid(operation, got, error.message)}`, error)

/** A request that waits for its reply. */
interface Pending {
  readonly operation: string
  readonly reply: Deferred.Deferred<{ readonly ok: unknown; readonly head: string }, JanitorError>
}

const make = Effect.fnUntraced(function*() {
  yield* Effect.logDebug("Phase: janitor")
  const suspend = yield* Suspend
  const background = yield* Background
  const pending = new Map<number, Pending>()
  const stops = yield* Queue.make<readonly [asked: boolean, signal: number]>()
  const link = yield* connect.pipe(Effect.mapError((error) => gone("start", error.message, error)))

  /** Why no further reply can come, for the request that waits for one. */
  let lost: ((operation: string) => JanitorError) | undefined
  const lose = (why: (operation: string) => JanitorError) =>
    Effect.suspend(() => {
      lost = why
      return Effect.forEach(pending.values(), ({ operation, reply }) => Deferred.fail(reply, why(operation)), {
        discard: true
      })
    })
  const settle = Effect.fnUntraced(function*(message: Message | Malformed) {
    if (message._tag === "Malformed") {
      return yield* Effect.fail({ got: message.begin, message: problemOf(message) })
    }
    const { head } = message
    const { asked, error, event, id, ok, signal } = yield* Effect.mapError(
      Schema.decodeUnknownEffect(Reply)(head),
      (error) => ({ got: head, message: error.message, cause: error })
    )
    if (event === "stopped") {
      yield* Queue.offer(stops, [asked === true, signal ?? 0])
      return
    }
    if (event === "started") {
      if (background !== undefined) yield* background.started
      return
    }
    const waiting = pending.get(id)
    pending.delete(id)
    if (waiting === undefined) return
    yield* error === undefined
      ? Deferred.succeed(waiting.reply, { ok, head })
      : Deferred.fail(
        waiting.reply,
        new JanitorError({ reason: "Refused", operation: waiting.operation, detail: error })
      )
  })
  const decoder = makeDecoder(limits)
  const answers = yield* link.replies.pipe(
    Stream.runForEach((bytes) => Effect.forEach(decoder.push(bytes), settle, { discard: true })),
    Effect.matchEffect({
      onSuccess: () =>
        lose((operation) => gone(operation, `the janitor has ended before it replied to '${operation}'`)),
      onFailure: (error) =>
        lose((operation) =>
          "got" in error
            ? notUnderstood(operation, error.got, error)
            : gone(operation, `the janitor cannot reply to '${operation}': ${error.message}`, error)
        )
    }),
    Effect.forkScoped
  )
  const end = yield* Effect.cached(link.end)
  yield* Effect.addFinalizer(() => end)

  let next = 0
  const send = Effect.fnUntraced(function*<A>(operation: string, body: object, answer: Schema.Codec<A, unknown>) {
    if (lost !== undefined) return yield* lost(operation)
    const id = next++
    const reply = yield* Deferred.make<{ readonly ok: unknown; readonly head: string }, JanitorError>()
    pending.set(id, { operation, reply })
    yield* link.send(encode({ id, op: operation, ...body })).pipe(
      Effect.mapError((error) => gone(operation, error.message, error))
    )
    return Effect.flatMap(Deferred.await(reply), ({ head, ok }) =>
      Effect.mapError(
        Schema.decodeUnknownEffect(answer)(ok),
        (error) => notUnderstood(operation, head, error)
      ))
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
