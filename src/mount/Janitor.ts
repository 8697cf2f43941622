import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
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

/** A layer as the driver takes it: a file and the place of the DwarFS image in it, in bytes. */
export interface LayerPlace {
  readonly path: string
  readonly offset: number
  readonly size: number
}

/** A layer as requests to native programs name it. */
export const inRequest = (layer: LayerPlace): LayerPlace => ({ ...layer, path: ByteString.ofText(layer.path) })

/** Instructions of a seccomp filter, each with its operation, two jumps and operand as in `struct sock_filter`. */
export type Filter = ReadonlyArray<readonly [code: number, jumpTrue: number, jumpFalse: number, operand: number]>

/** A place in the merged root to mount on, or a directory to make there. */
export interface MountTarget {
  /** Absolute, in the guest. */
  readonly path: string
  readonly isDirectory: boolean
  /** Whether something is mounted there, so that nothing of the guest is seen below. */
  readonly hides: boolean
}

/** What of the guest was renamed because it was in the way, and for each target its place with links followed, or a reason. */
export type PreparedRoot = typeof Prepared.Type

/** What runs a program in a sandbox. Each character of these lists stands for one byte. */
export interface RunRequest {
  /** What starts the sandbox. Other users can read it, so it tells nothing of the settings. */
  readonly argv: ReadonlyArray<string>
  /** The options of the sandbox, which it reads from its descriptor 6. */
  readonly options: ReadonlyArray<string>
  /** What the first process of the guest reads from its descriptor 7. */
  readonly guest: ReadonlyArray<string>
  /** The sandbox reads it from its descriptor 5. */
  readonly filter: Filter
  /** Whether it gets a user namespace in which everybody is who he is outside. Only root has one to give. */
  readonly privateUsers: boolean
}

const Opened = Schema.Struct({
  holder: Schema.Int,
  shared: Schema.Boolean,
  own_users: Schema.Boolean,
  shared_users: Schema.NullOr(Schema.String),
  outside: Schema.NullOr(Schema.Struct({ bwrap: Schema.String, reason: Schema.String }))
})
const Unpacked = Schema.Struct({ reason: Schema.String, directory: Schema.String, missing_devices: Schema.Int })
const Mounted = Schema.Struct({ unpacked: Schema.NullOr(Unpacked), were_open: Schema.Boolean })
const Ended = Schema.Struct({
  code: Schema.Int,
  started: Schema.Boolean,
  stays: Schema.Boolean,
  damage: Schema.NullOr(Schema.String)
})
const Prepared = Schema.Struct({
  replaced: Schema.Array(Schema.Struct({ from: Schema.String, to: Schema.String })),
  points: Schema.Array(Schema.Union([
    Schema.Struct({ place: Schema.String }),
    Schema.Struct({ refused: Schema.String })
  ]))
})
const Content = Schema.Struct({ content: Schema.NullOr(Schema.String) })
const Done = Schema.Struct({})
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

/** Why layers are plain files, where these are, and how many devices of them could not be made. */
export type Unpacked = typeof Unpacked.Type

/**
 * The native process that holds the mounts of this instance and cleans up after us, however we end. It is told of every
 * mount by being the one who makes it. Paths are relative to the instance directory unless they say otherwise.
 */
export class Janitor extends Context.Service<Janitor, {
  /** Judges a directory. Before `open`, or not at all. */
  readonly examine: (path: string, purpose: Purpose) => Effect.Effect<Judged, JanitorError>
  /** Makes the instance directory and the namespaces, or joins those of an instance with the same data and stack. */
  readonly open: (options: {
    readonly instance: string
    readonly pid: number
    readonly data: string
    readonly stack: string
    /** Where layers may be unpacked if they cannot be mounted, best first. */
    readonly trees: ReadonlyArray<string>
  }) => Effect.Effect<typeof Opened.Type, JanitorError>
  /**
   * Mounts what layers, lowest first, show together on `layers/0`. `cacheBytes` bounds the cache that they share. Does nothing
   * where the overlay of another instance is shared, and neither does `mountOverlay`. Where layers cannot be mounted they
   * are unpacked to the first of the directories `trees` of `open` that can be used, and each is bound to a directory of its own in
   * `layers`; the answer says why.
   */
  readonly mountLayers: (layers: ReadonlyArray<LayerPlace>, options: {
    readonly cacheBytes: number
  }) => Effect.Effect<typeof Mounted.Type, JanitorError>
  /** Mounts the kernel's overlay of what is in `layers` and the data directory on `mount`. */
  readonly mountOverlay: Effect.Effect<void, JanitorError>
  /**
   * The same by a program that serves the overlay through FUSE. Other instances cannot share it. With `casefold`, names in it
   * ignore case.
   */
  readonly serveOverlay: (argv: ReadonlyArray<string>, casefold: boolean) => Effect.Effect<void, JanitorError>
  /**
   * Makes the portal of the instance, with its FIFOs and the list of programs that the guest may ask for, absent if it may ask for
   * none. It is `calls` in the directory of the instance, and `portal` there for processes outside of the instance's namespaces.
   */
  readonly preparePortal: (allowed: ReadonlyArray<string> | undefined) => Effect.Effect<void, JanitorError>
  /** At most `limit` bytes of a regular file of the merged root; links in it cannot lead out of it. */
  readonly readRoot: (path: string, limit: number) => Effect.Effect<Uint8Array | undefined, JanitorError>
  /**
   * Finds where to mount in the merged root. `own` are directories of the root in which the sandbox has file systems of its own: what
   * the guest has there instead is renamed. Below `covered` nothing of the guest is seen. What will be made in the upper directory is
   * noted, so that no commit takes it along.
   */
  readonly prepareRoot: (options: {
    readonly own: ReadonlyArray<string>
    readonly covered: ReadonlyArray<string>
    readonly targets: ReadonlyArray<MountTarget>
  }) => Effect.Effect<PreparedRoot, JanitorError>
  /**
   * Runs a program on our standard input, output and error, and waits for its end; `stays` says that it has left others running.
   * `janitor/run.rs` describes the rest.
   */
  readonly run: (request: RunRequest) => Effect.Effect<typeof Ended.Type, JanitorError>
  /**
   * Lets what a program has left running live on after us, as an instance of the janitor's, until it ends or is stopped. Does nothing
   * where the janitor is ours and ends with us.
   */
  readonly leave: Effect.Effect<void, JanitorError>
  /**
   * Sends a signal to the program that runs. With `spareGroup` only if the program has not just got it itself, because it was
   * sent to the whole process group.
   */
  readonly signal: (signal: number, spareGroup: boolean) => Effect.Effect<void, JanitorError>
}>()("flatimage/mount/Janitor") {
  static readonly layer: Layer.Layer<
    Janitor,
    JanitorError,
    FileSystem.FileSystem | Host | Relocate | ChildProcessSpawner.ChildProcessSpawner
  > = Layer.effect(Janitor, Effect.suspend(() => make()))
}

/** From the end of one stop to the next, at least. */
const pause = "100 millis"

/** A path out of a byte string, as the janitor gives paths. What is not UTF-8 in it is only for messages. */
const pathOf = (bytes: string): string => Utf8.decode(ByteString.toBytes(bytes))

const gone = (operation: string, detail: string) => new JanitorError({ reason: "Gone", operation, detail })

const make = Effect.fnUntraced(function*() {
  yield* Effect.logDebug("Phase: janitor")
  const fs = yield* FileSystem.FileSystem
  const { directories } = yield* Relocate
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
  let hasLeft = false
  // The janitor closes its end when the instance directory is gone; the kernel takes the mounts down with the namespace.
  // Only if somebody has killed it is the directory still there.
  const takeDown = link.end.pipe(
    Effect.andThen(Fiber.await(answers)),
    Effect.andThen(fs.remove(directories.instance, { recursive: true, force: true })),
    Effect.timeout("10 seconds"),
    Effect.ignore({ log: true })
  )
  yield* Effect.addFinalizer(() => hasLeft ? link.end : takeDown)

  const opening = yield* Deferred.make<void>()
  let next = 0
  const ask = Effect.fnUntraced(function*<A>(
    operation: string,
    body: object,
    answer: Schema.Codec<A, unknown>
  ) {
    // The first request makes what the others are about; whoever asks early waits until it is sent, not until it is done.
    if (operation !== "open" && operation !== "examine") yield* Deferred.await(opening)
    const id = next++
    const waiting = yield* Deferred.make<unknown, JanitorError>()
    pending.set(id, waiting)
    yield* link.send(Utf8.encode(`${JSON.stringify({ id, op: operation, ...body })}\n`)).pipe(
      Effect.mapError((error) => gone(operation, error.message))
    )
    if (operation === "open") yield* Deferred.succeed(opening, undefined)
    const value = yield* Deferred.await(waiting)
    return yield* Schema.decodeUnknownEffect(answer)(value).pipe(
      Effect.mapError(() => gone(operation, `the janitor gave an answer to '${operation}' that makes no sense`))
    )
  })
  const opened = yield* Deferred.make<typeof Opened.Type, JanitorError>()
  const open = Effect.fnUntraced(function*(options: object) {
    const answer = ask("open", options, Opened).pipe(
      Effect.map(({ outside, ...rest }) => ({
        ...rest,
        outside: outside === null ? null : { ...outside, bwrap: pathOf(outside.bwrap) }
      })),
      Effect.catch((error) =>
        Effect.promise(() => import("./NamespaceRefusal.ts")).pipe(
          Effect.flatMap(({ explain }) => explain(fs, error.detail)),
          Effect.flatMap((detail) => new JanitorError({ reason: error.reason, operation: error.operation, detail }))
        )
      )
    )
    yield* Deferred.complete(opened, answer)
    return yield* Deferred.await(opened)
  })
  // Not again before we have answered, and not at once: signals that came while we were stopped are passed on first.
  yield* Queue.take(stops).pipe(
    Effect.flatMap(suspend),
    Effect.andThen(Effect.sleep(pause)),
    Effect.andThen(ask("resumed", {}, Done)),
    Effect.forever,
    Effect.ignore({ log: "Debug" }),
    Effect.forkScoped
  )
  // A janitor that cannot open ends. What was asked in the same breath then fails for the same reason, whichever is first.
  const prepare = <A>(operation: string, body: object, answer: Schema.Codec<A, unknown>) =>
    Effect.catch(
      ask(operation, body, answer),
      (error) =>
        error.reason === "Gone" ? Effect.andThen(Deferred.await(opened), Effect.fail(error)) : Effect.fail(error)
    )
  return Janitor.of({
    examine: Effect.fn("Janitor.examine")((path, purpose) =>
      ask("examine", { path: ByteString.ofText(path), purpose }, Judged)
    ),
    open: Effect.fn("Janitor.open")(({ data, instance, trees, ...rest }) =>
      open({
        ...rest,
        instance: ByteString.ofText(instance),
        data: ByteString.ofText(data),
        trees: trees.map(ByteString.ofText)
      })
    ),
    mountLayers: Effect.fn("Janitor.mountLayers")((layers, { cacheBytes }) =>
      prepare("mount-layers", {
        layers: layers.map(inRequest),
        cache_bytes: cacheBytes
      }, Mounted).pipe(
        Effect.map(({ unpacked, ...rest }) => ({
          ...rest,
          unpacked: unpacked === null ? null : { ...unpacked, directory: pathOf(unpacked.directory) }
        }))
      )
    ),
    mountOverlay: prepare("mount-overlay", {}, Done),
    serveOverlay: Effect.fn("Janitor.serveOverlay")((argv, casefold) =>
      prepare("serve-overlay", { argv: argv.map(ByteString.ofText), casefold }, Done)
    ),
    preparePortal: Effect.fn("Janitor.preparePortal")((allowed) =>
      prepare("prepare-portal", { allowed: allowed === undefined ? null : JSON.stringify(allowed) }, Done)
    ),
    readRoot: Effect.fn("Janitor.readRoot")(function*(path, limit) {
      const { content } = yield* ask("read-root", { path, limit }, Content)
      return content === null ? undefined : ByteString.toBytes(content)
    }),
    prepareRoot: Effect.fn("Janitor.prepareRoot")(({ covered, own, targets }) =>
      ask("prepare-root", {
        own,
        covered,
        targets: targets.map(({ hides, isDirectory, path }) => ({ path, is_directory: isDirectory, hides }))
      }, Prepared)
    ),
    run: Effect.fn("Janitor.run")(({ privateUsers, ...request }) =>
      ask("run", { ...request, private_users: privateUsers }, Ended)
    ),
    leave: Effect.suspend(() =>
      link.outlivesUs
        ? Effect.map(ask("leave", {}, Done), () => {
          hasLeft = true
        })
        : Effect.void
    ),
    signal: Effect.fn("Janitor.signal")((signal, spareGroup) =>
      Effect.asVoid(ask("signal", { signal, spare_group: spareGroup }, Done))
    )
  })
})
