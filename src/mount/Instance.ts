import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Background } from "../Background.ts"
import * as ByteString from "../ByteString.ts"
import { runFilesystem } from "../image/SettingsRun.ts"
import { Snapshot } from "../image/Snapshot.ts"
import { Done } from "../messages/Reply.ts"
import { treeCandidates } from "../relocate/Directories.ts"
import { Host } from "../relocate/Host.ts"
import { Relocate } from "../relocate/Relocate.ts"
import * as Utf8 from "../Utf8.ts"
import type { HotPlace } from "./HotCache.ts"
import { Janitor, JanitorError } from "./Janitor.ts"
import { inRequest, type LayerPlace } from "./LayerPlace.ts"
import { LayerStack } from "./LayerStack.ts"
import { LingerTime } from "./LingerTime.ts"

/** Instructions of a seccomp filter, each with its operation, two jumps and operand as in `struct sock_filter`. */
export type Filter = ReadonlyArray<readonly [code: number, jumpTrue: number, jumpFalse: number, operand: number]>

/** A mount point in the merged root, or a directory to create there. */
export interface MountTarget {
  /** Absolute, in the guest. */
  readonly path: string
  readonly isDirectory: boolean
  /** Whether something is mounted there, which hides everything of the guest below. */
  readonly hides: boolean
}

/** The files of the guest that were renamed because they blocked a mount point, and for each target its resolved path or the reason of a refusal. */
export type PreparedRoot = typeof Prepared.Type

/** A program to run in a sandbox. Each character of these lists stands for one byte. */
export interface RunRequest {
  /** The command line that starts the sandbox. Other users can read it, so it contains no settings. */
  readonly argv: ReadonlyArray<string>
  /** The options of the sandbox, which it reads from its descriptor 6. */
  readonly options: ReadonlyArray<string>
  /** The arguments of the first process of the guest, which reads them from its descriptor 7. */
  readonly guest: ReadonlyArray<string>
  /** The filter of system calls, which the sandbox reads from its descriptor 5. */
  readonly filter: Filter
  /** Whether it gets a user namespace that maps every user to itself. Only root can create one. */
  readonly privateUsers: boolean
  /** What `fim-instance list` shows of the run. Each character of the argument strings stands for one byte. */
  readonly about: { readonly user: string; readonly command: ReadonlyArray<string> }
}

const OpenedReply = Schema.Struct({
  holder: Schema.Int,
  shared: Schema.Boolean,
  own_users: Schema.Boolean,
  shared_users: Schema.NullOr(Schema.String),
  outside: Schema.NullOr(Schema.Struct({ bwrap: Schema.String, reason: Schema.String }))
})
const Unpacked = Schema.Struct({ reason: Schema.String, directory: Schema.String, missing_devices: Schema.Int })
const Mounted = Schema.Struct({
  unpacked: Schema.NullOr(Unpacked),
  were_open: Schema.Boolean,
  lingered: Schema.Boolean
})
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
/** Why the layers were unpacked, the directory with their files, and how many of their devices could not be created. */
export type Unpacked = typeof Unpacked.Type

/** The reply to `open`. */
export interface Opened {
  /** Whether the overlay of another running instance is shared; then nothing has to be mounted. */
  readonly shared: boolean
  /** Whether the caller is the only user in the namespaces. */
  readonly ownUsers: boolean
  /** Why a guest of root must run in the host's user namespace; absent if it need not. */
  readonly sharedUsers: string | undefined
  /** Set if there are no namespaces: the path of the host's own bubblewrap, and the reason. */
  readonly outside: { readonly bwrap: string; readonly reason: string } | undefined
}

/**
 * An instance: its directory, its locks on the data directory, its mount and process namespaces, and everything that is mounted and
 * started in them. The request `open` acquires it; closing the scope releases all of it, unless `leave` has handed it to the
 * janitor. The janitor executes requests in the order in which they are sent, so a caller can send the next one before the reply to the first.
 */
export class Instance extends Context.Service<Instance, {
  /**
   * The reply to `open`, which was sent when the instance was acquired: a new instance, or a joined one. Fails with the reason if the
   * host refuses the namespaces.
   */
  readonly opened: Effect.Effect<Opened, JanitorError>
  /**
   * Mounts the merged layers on `layers/0`. Does nothing if the overlay of another instance is shared, like `mountOverlay`. If layers
   * cannot be mounted, they are unpacked to the first usable directory among `trees` of `open`, and each is bound to its own directory
   * in `layers`.
   *
   * @param layers lowest first
   * @param options `cacheBytes` limits the cache that the layers share; `hot` is the hot cache, if there is one; the file `reads` gets
   *   a list of what the run reads of them, see `ReadList.ts`
   * @returns the reason if the layers were unpacked, whether they were open already, and whether they were still mounted
   */
  readonly mountLayers: (layers: ReadonlyArray<LayerPlace>, options: {
    readonly cacheBytes: number
    readonly hot: HotPlace | undefined
    readonly reads: string | undefined
  }) => Effect.Effect<typeof Mounted.Type, JanitorError>
  /** Mounts the kernel's overlay of `layers` and the data directory on `mount`. */
  readonly mountOverlay: Effect.Effect<void, JanitorError>
  /**
   * Mounts an overlay that a program serves through FUSE. Other instances cannot share it.
   *
   * @param argv the command line of the program, see `Overlay.serverArguments`
   * @param casefold whether names in it are case-insensitive
   */
  readonly serveOverlay: (argv: ReadonlyArray<string>, casefold: boolean) => Effect.Effect<void, JanitorError>
  /**
   * Creates the portal of the instance with its FIFOs: `calls` in the directory of the instance, and `portal` there for processes outside
   * of the instance's namespaces.
   *
   * @param allowed programs that the guest may run on the host; absent if none
   */
  readonly preparePortal: (allowed: ReadonlyArray<string> | undefined) => Effect.Effect<void, JanitorError>
  /**
   * Reads a regular file of the merged root; links cannot lead out of the root.
   *
   * @param path absolute, in the guest
   * @param limit the most bytes that are read
   * @returns the bytes; `undefined` if there is no such file
   */
  readonly readRoot: (path: string, limit: number) => Effect.Effect<Uint8Array | undefined, JanitorError>
  /**
   * Resolves mount points in the merged root. Paths that will be created in the upper directory are recorded, so that no commit
   * includes them.
   *
   * @param options `own`: directories of the root for file systems of the sandbox, where anything else of the guest is renamed;
   *   `covered`: directories below which nothing of the guest is visible; `targets`: the mount points
   * @returns renamed files, and for each target its resolved path or the reason of a refusal
   */
  readonly prepareRoot: (options: {
    readonly own: ReadonlyArray<string>
    readonly covered: ReadonlyArray<string>
    readonly targets: ReadonlyArray<MountTarget>
  }) => Effect.Effect<PreparedRoot, JanitorError>
  /**
   * Runs a program on our standard input, output and error, and waits for its end.
   *
   * @param request the program and its sandbox
   * @returns the exit code; `stays` if the program has left others running; `janitor/run.rs` describes the other fields
   */
  readonly run: (request: RunRequest) => Effect.Effect<typeof Ended.Type, JanitorError>
  /**
   * Hands the instance to the janitor, so that processes that a program has left running continue after us until they end or are
   * stopped. Does nothing if we started the janitor ourselves, because it ends with us.
   */
  readonly leave: Effect.Effect<void, JanitorError>
  /**
   * Sends a signal to the running program.
   *
   * @param signal its number
   * @param spareGroup whether to skip it if the program has just received it itself, as part of the whole process group
   */
  readonly signal: (signal: number, spareGroup: boolean) => Effect.Effect<void, JanitorError>
}>()("flatimage/mount/Instance") {
  static readonly layer: Layer.Layer<
    Instance,
    JanitorError,
    FileSystem.FileSystem | Host | Janitor | LayerStack | LingerTime | Relocate | Snapshot
  > = Layer.effect(Instance, Effect.suspend(() => make()))
}

/** The path in a byte string of the janitor. Bytes that are not UTF-8 are lost, so the result is for messages only. */
const pathOf = (bytes: string): string => Utf8.decode(ByteString.toBytes(bytes))

const explained = Effect.fnUntraced(function*(error: JanitorError) {
  const fs = yield* FileSystem.FileSystem
  const { explain } = yield* Effect.promise(() => import("./NamespaceRefusal.ts"))
  const detail = yield* explain(fs, error.detail)
  return yield* new JanitorError({ reason: error.reason, operation: error.operation, detail })
})

const make = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const host = yield* Host
  const janitor = yield* Janitor
  const { directories, image } = yield* Relocate
  const background = yield* Background
  const { data, identity, layers } = yield* LayerStack
  const time = yield* LingerTime
  const { casefold, overlay } = runFilesystem(yield* Snapshot, host.environment)
  const path = directories.instance
  let isLeft = false
  let lingers = false
  // Like what a program leaves running, layers stay only if the janitor does not end with us.
  const mayLinger = janitor.outlivesUs && host.uid !== 0 && time.seconds > 0

  const acquire = janitor.send("open", {
    instance: ByteString.ofText(path),
    pid: host.pid,
    data: ByteString.ofText(data),
    // Instances that see names differently cannot share an overlay.
    stack: [overlay, ...(casefold ? ["casefold"] : []), identity].join(" "),
    trees: treeCandidates(host, directories).map(ByteString.ofText),
    lingering: mayLinger ? layers.map(inRequest) : null
  }, OpenedReply)
  // The kernel removes mounts and processes with their namespaces, which is faster than one by one: it waits for all processors at
  // each unmount. The directory still exists only if the janitor was killed.
  const release = Effect.suspend(() => isLeft ? janitor.end : takeDown)
  const keepLayers = Effect.suspend(() => lingers ? Effect.ignore(janitor.send("keep-layers", {}, Done)) : Effect.void)
  const takeDown = Effect.andThen(keepLayers, janitor.end).pipe(
    Effect.andThen(janitor.ended),
    Effect.andThen(fs.remove(path, { recursive: true, force: true })),
    Effect.andThen(Effect.logDebug(`Instance released: ${path}`)),
    Effect.timeout("10 seconds"),
    Effect.ignore({ log: true })
  )
  const answer = yield* Effect.acquireRelease(acquire, () => release)
  yield* Effect.logDebug(`Instance acquired: ${path}`)
  const opened = yield* Effect.cached(answer.pipe(
    Effect.map(({ outside, own_users: ownUsers, shared, shared_users: sharedUsers }): Opened => ({
      shared,
      ownUsers,
      sharedUsers: sharedUsers ?? undefined,
      outside: outside === null ? undefined : { ...outside, bwrap: pathOf(outside.bwrap) }
    })),
    Effect.catch(explained),
    Effect.provideService(FileSystem.FileSystem, fs)
  ))
  /** Has the layers stay mounted after the last instance, if they may. Whether they do. */
  const linger = Effect.gen(function*() {
    if (!mayLinger) return false
    const { refusal } = yield* Effect.promise(() => import("./Lingering.ts"))
    const reason = yield* refusal(fs, host, time, layers.map(({ path }) => path))
    if (reason !== undefined) {
      yield* Effect.logDebug(`The layers do not stay mounted: ${reason}`)
      return false
    }
    const runtime = host.environment["XDG_RUNTIME_DIR"]
    yield* ask("linger", {
      seconds: time.seconds,
      runtime: runtime?.startsWith("/") === true ? ByteString.ofText(runtime) : null
    }, Done)
    return true
  }).pipe(
    Effect.catch((error) => Effect.as(Effect.logDebug(`The layers do not stay mounted: ${error.message}`), false))
  )
  const ask = <A>(operation: string, body: object, reply: Schema.Codec<A, unknown>) =>
    Effect.flatten(janitor.send(operation, body, reply))
  // A janitor that cannot open exits. Requests that were sent together with `open` must then fail with its reason.
  const prepare = <A>(operation: string, body: object, reply: Schema.Codec<A, unknown>) =>
    Effect.catch(
      ask(operation, body, reply),
      (error) => error.reason === "Gone" ? Effect.andThen(opened, Effect.fail(error)) : Effect.fail(error)
    )
  return Instance.of({
    opened,
    mountLayers: Effect.fn("Instance.mountLayers")((layers, { cacheBytes, hot, reads }) =>
      prepare("mount-layers", {
        layers: layers.map(inRequest),
        cache_bytes: cacheBytes,
        hot: hot === undefined ? null : { ...hot, directory: ByteString.ofText(hot.directory) },
        reads: reads === undefined ? null : ByteString.ofText(reads)
      }, Mounted).pipe(
        Effect.map(({ unpacked, ...rest }) => ({
          ...rest,
          unpacked: unpacked === null ? null : { ...unpacked, directory: pathOf(unpacked.directory) }
        }))
      )
    ),
    mountOverlay: prepare("mount-overlay", {}, Done),
    serveOverlay: Effect.fn("Instance.serveOverlay")((argv, casefold) =>
      prepare("serve-overlay", { argv: argv.map(ByteString.ofText), casefold }, Done)
    ),
    preparePortal: Effect.fn("Instance.preparePortal")((allowed) =>
      prepare("prepare-portal", { allowed: allowed === undefined ? null : JSON.stringify(allowed) }, Done)
    ),
    readRoot: Effect.fn("Instance.readRoot")(function*(path, limit) {
      const { content } = yield* ask("read-root", { path, limit }, Content)
      return content === null ? undefined : ByteString.toBytes(content)
    }),
    prepareRoot: Effect.fn("Instance.prepareRoot")(({ covered, own, targets }) =>
      ask("prepare-root", {
        own,
        covered,
        targets: targets.map(({ hides, isDirectory, path }) => ({ path, is_directory: isDirectory, hides }))
      }, Prepared)
    ),
    run: Effect.fn("Instance.run")(function*({ about, privateUsers, ...request }) {
      const reply = yield* janitor.send("run", {
        ...request,
        private_users: privateUsers,
        about: { ...about, name: background?.name ?? null, image: ByteString.ofText(image) },
        tells_start: background !== undefined
      }, Ended)
      // Now that the program starts there is time for it.
      const lingering = yield* Effect.forkChild(linger)
      const ended = yield* reply
      lingers = (yield* Fiber.join(lingering)) && ended.started && !ended.stays
      return ended
    }),
    leave: Effect.suspend(() =>
      janitor.outlivesUs
        ? Effect.map(ask("leave", {}, Done), () => {
          isLeft = true
        })
        : Effect.void
    ),
    signal: Effect.fn("Instance.signal")((signal, spareGroup) =>
      Effect.asVoid(ask("signal", { signal, spare_group: spareGroup }, Done))
    )
  })
})
