/** The pipes to and from a child. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as host from "fim:host"
import * as Descriptors from "./Descriptors.ts"
import { attempt, errno, failure } from "./SystemError.ts"

type Input = Sink.Sink<void, Uint8Array, never, PlatformError.PlatformError>
type Output = Stream.Stream<Uint8Array, PlatformError.PlatformError>

/** The pipes of one child. */
export interface Plumbing {
  /** The child's descriptors, by their numbers there; -1 for none. */
  readonly theirs: ReadonlyArray<number>
  /** Closes our copies of the child's descriptors, after the child was started or could not be. */
  readonly closeTheirs: Effect.Effect<void>
  /** A sink to a descriptor of the child. */
  readonly input: (number: number) => Input
  /** A stream from a descriptor of the child. */
  readonly output: (number: number) => Output
  /**
   * Runs the streams that the command declares as the child's input. Fails with the error of one of them, and never
   * succeeds.
   */
  readonly feed: Effect.Effect<Deferred.Deferred<never, PlatformError.PlatformError>, never, Scope.Scope>
}

/** One descriptor of the child. */
type Channel =
  | { readonly type: "inherit" | "ignore" }
  | { readonly type: "input"; readonly stream?: Output | undefined; readonly endOnDone?: boolean | undefined }
  | {
    readonly type: "output"
    readonly sink?: Sink.Sink<Uint8Array, Uint8Array, never, PlatformError.PlatformError> | undefined
  }

const inputChannel = (option: ChildProcess.CommandOptions["stdin"]): Channel => {
  const config = option === undefined || typeof option === "string" || Stream.isStream(option)
    ? { stream: option ?? "pipe" }
    : option
  if (config.stream === "inherit" || config.stream === "ignore") return { type: config.stream }
  return {
    type: "input",
    ...(Stream.isStream(config.stream) ? { stream: config.stream } : {}),
    endOnDone: "endOnDone" in config ? config.endOnDone : true
  }
}

const outputChannel = (option: ChildProcess.CommandOptions["stdout"]): Channel => {
  const config = option === undefined || typeof option === "string" || Sink.isSink(option) ? option : option.stream
  if (config === "inherit" || config === "ignore") return { type: config }
  return Sink.isSink(config) ? { type: "output", sink: config } : { type: "output" }
}

const channelsOf = (options: ChildProcess.CommandOptions): ReadonlyMap<number, Channel> => {
  const channels = new Map<number, Channel>([
    [0, inputChannel(options.stdin)],
    [1, outputChannel(options.stdout)],
    [2, outputChannel(options.stderr)]
  ])
  for (const [name, config] of Object.entries(options.additionalFds ?? {})) {
    const number = ChildProcess.parseFdName(name)
    if (number !== undefined && config.type !== "duplex") channels.set(number, config)
  }
  return channels
}

/** A descriptor of ours that is closed only once. */
class Owned {
  readonly number: number
  #open = true
  constructor(number: number) {
    this.number = number
  }
  /** After it is closed, another descriptor may get its number. */
  get isOpen(): boolean {
    return this.#open
  }
  readonly close = (): void => {
    if (this.#open) host.close(this.number)
    this.#open = false
  }
}

const module = "ChildProcess"

const closed = failure(module, "write", undefined, errno.EPIPE)

/** Creates the pipes of a command. The scope closes them at the latest. */
export const plumb = Effect.fnUntraced(function*(
  options: ChildProcess.CommandOptions
): Effect.fn.Return<Plumbing, PlatformError.PlatformError, Scope.Scope> {
  const channels = channelsOf(options)
  const theirs: Array<number> = Array.from({ length: Math.max(...channels.keys()) + 1 }, () => -1)
  const given: Array<Owned> = []
  const inputs = new Map<number, Input>()
  const outputs = new Map<number, Output>()
  const feeds: Array<readonly [stream: Output, into: Input]> = []

  const own = <A>(open: () => A, numbers: (opened: A) => ReadonlyArray<number>): Effect.Effect<
    readonly [A, ReadonlyArray<Owned>],
    PlatformError.PlatformError,
    Scope.Scope
  > =>
    Effect.acquireRelease(
      attempt(module, "spawn", undefined, () => {
        const opened = open()
        return [opened, numbers(opened).map((number) => new Owned(number))] as const
      }),
      ([, owned]) => Effect.sync(() => owned.forEach((one) => one.close()))
    )

  for (const [number, channel] of channels) {
    if (channel.type === "inherit") {
      theirs[number] = number
    } else if (channel.type === "ignore") {
      const [, owned] = yield* own(() => host.open("/dev/null", 2, 0), (opened) => [opened])
      given.push(...owned)
      theirs[number] = owned[0]?.number ?? -1
    } else {
      const isInput = channel.type === "input"
      const [, [reader, writer]] = yield* own(() => host.pipe(isInput, !isInput), (ends) => ends)
      const [their, our] = isInput ? [reader, writer] : [writer, reader]
      if (their === undefined || our === undefined) continue
      given.push(their)
      theirs[number] = their.number
      if (channel.type === "input") {
        const sink = Sink.forEach((bytes: Uint8Array) =>
          our.isOpen ? Descriptors.writeAll(module, our.number, bytes) : Effect.fail(closed)
        )
        const input = channel.endOnDone === false ? sink : Sink.onExit(sink, () => Effect.sync(our.close))
        inputs.set(number, input)
        if (channel.stream !== undefined) feeds.push([channel.stream, input])
      } else if (channel.type === "output") {
        const stream = Stream.suspend(() =>
          our.isOpen ? Stream.ensuring(Descriptors.stream(module, our.number), Effect.sync(our.close)) : Stream.empty
        )
        outputs.set(number, channel.sink === undefined ? stream : Stream.transduce(stream, channel.sink))
      }
    }
  }

  const feed = Effect.gen(function*() {
    const failed = Deferred.makeUnsafe<never, PlatformError.PlatformError>()
    for (const [stream, into] of feeds) {
      // A child that does not read everything is no failure: the child reports its own result.
      yield* Stream.tapError(stream, (error) => Deferred.fail(failed, error)).pipe(
        Stream.run(into),
        Effect.ignore,
        Effect.forkScoped
      )
    }
    return failed
  })

  return {
    theirs,
    closeTheirs: Effect.sync(() => given.forEach((one) => one.close())),
    input: (number) => inputs.get(number) ?? Sink.drain,
    output: (number) => outputs.get(number) ?? Stream.empty,
    feed
  }
})
