/** Native programs that reply on standard output to requests on standard input, in their order. */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { encode, makeDecoder } from "./Codec.ts"
import { fields, invalid, problemOf } from "./Reply.ts"

/** A request to a native program failed. */
export class ProgramError extends Data.TaggedError("ProgramError")<{
  /** `Start`: it could not be started, or its output cannot be read. `Ended`: it ended without a reply. `Refused`: it replied with an error. */
  readonly reason: "Start" | "Ended" | "Refused" | "Invalid"
  readonly program: string
  /** What was requested. */
  readonly operation: string
  readonly detail: string
  /** The number of the system call's error, if the program named one. */
  readonly errno?: number
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}

const Reply = Schema.fromJsonString(Schema.Struct(fields))

/** Replies are short, except where bytes belong to them. */
const headLimit = 64 * 1024 * 1024

/** A reply with the bytes that belong to it. */
export interface Answer<A> {
  readonly content: A
  readonly body: Uint8Array
}

/** A running program. */
export interface Session {
  /**
   * Waits for the next reply; for what a program reports unasked.
   *
   * @param operation what was requested, for errors
   * @param content schema of the reply
   */
  readonly reply: <A>(operation: string, content: Schema.Codec<A, unknown>) => Effect.Effect<Answer<A>, ProgramError>
  /**
   * Sends a request and waits for its reply. One at a time.
   *
   * @param operation its name
   * @param request its other fields
   * @param content schema of the reply
   * @param body bytes that belong to the request
   */
  readonly ask: <A>(
    operation: string,
    request: object,
    content: Schema.Codec<A, unknown>,
    body?: Uint8Array
  ) => Effect.Effect<Answer<A>, ProgramError>
  /** Ends its input, and waits for its end. */
  readonly end: Effect.Effect<void>
}

/** How a program is run. */
export interface Options {
  readonly stderr: "inherit" | "ignore"
  /** The most bytes that belong to a reply; none by default. */
  readonly body?: number
  /** Its whole environment; by default ours. */
  readonly env?: Readonly<Record<string, string>>
}

/**
 * Starts a program. Its input ends with the scope, and the program is ended if it still runs.
 *
 * @param program path of the program
 * @param args its arguments
 * @param options see `Options`
 */
export const open = Effect.fnUntraced(
  function*(program: string, args: ReadonlyArray<string>, { body = 0, env, stderr }: Options) {
    const name = `${program.slice(program.lastIndexOf("/") + 1)} ${args[0] ?? ""}`
    const failed = (operation: string) => (error: { readonly message: string }) =>
      new ProgramError({ reason: "Start", program, operation, detail: error.message, cause: error })
    const requests = yield* Effect.acquireRelease(Queue.make<Uint8Array, Cause.Done>(), Queue.shutdown)
    const handle = yield* ChildProcess.make(program, args, {
      // In our process group: a separate group would live on when ours is killed.
      detached: false,
      stdin: Stream.fromQueue(requests),
      stdout: "pipe",
      stderr,
      ...(env === undefined ? {} : { env })
    }).pipe(Effect.mapError(failed("start")))
    const decoder = makeDecoder({ head: headLimit, body })
    const pull = yield* handle.stdout.pipe(
      Stream.map(decoder.push),
      Stream.flattenIterable,
      Stream.rechunk(1),
      Stream.toPull
    )
    const next = Effect.fnUntraced(function*(operation: string) {
      const [first] = yield* pull.pipe(
        Effect.mapError((error) =>
          Cause.isDone(error)
            ? new ProgramError({
              reason: "Ended",
              program,
              operation,
              detail: `'${name}' ended without a reply to '${operation}'`
            })
            : failed(operation)(error)
        )
      )
      return first._tag === "Message" ? first : yield* notValid(operation, first.begin, problemOf(first))
    })
    const notValid = (operation: string, got: string, reason: string, cause?: unknown) =>
      new ProgramError({
        reason: "Invalid",
        program,
        operation,
        detail: `'${name}': ${invalid(operation, got, reason)}`,
        cause
      })
    const reply = Effect.fnUntraced(function*<A>(operation: string, content: Schema.Codec<A, unknown>) {
      const { body, head } = yield* next(operation)
      const unfit = (error: { readonly message: string }) => notValid(operation, head, error.message, error)
      const { errno, error, ok } = yield* Schema.decodeUnknownEffect(Reply)(head).pipe(Effect.mapError(unfit))
      if (error !== undefined) {
        return yield* new ProgramError({
          reason: "Refused",
          program,
          operation,
          detail: error,
          ...(errno === undefined ? {} : { errno })
        })
      }
      return { content: yield* Schema.decodeUnknownEffect(content)(ok).pipe(Effect.mapError(unfit)), body }
    })
    return {
      reply,
      ask: <A>(operation: string, request: object, content: Schema.Codec<A, unknown>, body?: Uint8Array) =>
        Effect.andThen(
          Queue.offer(requests, encode({ op: operation, ...request }, body)),
          reply(operation, content)
        ),
      end: Effect.andThen(Queue.end(requests), Effect.ignore(handle.exitCode))
    } satisfies Session
  }
)

/**
 * Sends one request to a program, and returns its reply.
 *
 * @param program path of the program
 * @param args its arguments
 * @param options see `Options`
 * @param request the operation, the other fields and the body
 * @param content schema of the reply
 */
export const askOnce = Effect.fnUntraced(function*<A>(
  program: string,
  args: ReadonlyArray<string>,
  options: Options,
  request: { readonly operation: string; readonly fields: object; readonly body?: Uint8Array },
  content: Schema.Codec<A, unknown>
) {
  const session = yield* open(program, args, options)
  const answer = yield* session.ask(request.operation, request.fields, content, request.body)
  yield* session.end
  return answer
}, Effect.scoped)
