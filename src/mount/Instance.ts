import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as ByteString from "../ByteString.ts"
import { runFilesystem } from "../image/SettingsRun.ts"
import { Snapshot } from "../image/Snapshot.ts"
import { treeCandidates } from "../relocate/Directories.ts"
import { Host } from "../relocate/Host.ts"
import { Relocate } from "../relocate/Relocate.ts"
import * as Utf8 from "../Utf8.ts"
import { Done, Janitor, JanitorError } from "./Janitor.ts"
import { inRequest, type LayerPlace } from "./LayerPlace.ts"
import { LayerStack } from "./LayerStack.ts"

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

const OpenedReply = Schema.Struct({
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
/** Why layers are plain files, where these are, and how many devices of them could not be made. */
export type Unpacked = typeof Unpacked.Type

/** What `open` has made. */
export interface Opened {
  /** Whether the overlay of another running instance is shared; then there is nothing left to mount. */
  readonly shared: boolean
  /** Whether the caller is the only user in the namespaces. */
  readonly ownUsers: boolean
  /** Why a guest of root can only be among the host's users; absent where it need not. */
  readonly sharedUsers: string | undefined
  /** Set where there are no namespaces: the host's own bubblewrap, and why. */
  readonly outside: { readonly bwrap: string; readonly reason: string } | undefined
}

/**
 * An instance: its directory, its locks on the data directory, its mount and process namespaces, and everything that is mounted and
 * started in them. Acquired by asking the janitor for it, and released with all of that when the scope closes, unless it was left to the
 * janitor. Requests are carried out in the order in which they are made, so nobody has to wait for the answer of one to make the next.
 */
export class Instance extends Context.Service<Instance, {
  /**
   * What was made, or joined: asked for when the instance was acquired, answered when it is there. Fails with the host's reason where it
   * refuses the namespaces.
   */
  readonly opened: Effect.Effect<Opened, JanitorError>
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
}>()("flatimage/mount/Instance") {
  static readonly layer: Layer.Layer<
    Instance,
    JanitorError,
    FileSystem.FileSystem | Host | Janitor | LayerStack | Relocate | Snapshot
  > = Layer.effect(Instance, Effect.suspend(() => make()))
}

/** A path out of a byte string, as the janitor gives paths. What is not UTF-8 in it is only for messages. */
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
  const { directories } = yield* Relocate
  const { data, identity } = yield* LayerStack
  const { casefold, overlay } = runFilesystem(yield* Snapshot, host.environment)
  const path = directories.instance
  let isLeft = false

  const acquire = janitor.send("open", {
    instance: ByteString.ofText(path),
    pid: host.pid,
    data: ByteString.ofText(data),
    // Instances that see names differently cannot share an overlay.
    stack: [overlay, ...(casefold ? ["casefold"] : []), identity].join(" "),
    trees: treeCandidates(host, directories).map(ByteString.ofText)
  }, OpenedReply)
  // The kernel takes mounts and processes down with their namespaces, which is faster than one by one: it waits for all processors at
  // each. Only if somebody has killed the janitor is the directory still there.
  const release = Effect.suspend(() => isLeft ? janitor.end : takeDown)
  const takeDown = janitor.end.pipe(
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
  const ask = <A>(operation: string, body: object, reply: Schema.Codec<A, unknown>) =>
    Effect.flatten(janitor.send(operation, body, reply))
  // A janitor that cannot open ends. What was asked in the same breath then fails for the same reason, whichever is first.
  const prepare = <A>(operation: string, body: object, reply: Schema.Codec<A, unknown>) =>
    Effect.catch(
      ask(operation, body, reply),
      (error) => error.reason === "Gone" ? Effect.andThen(opened, Effect.fail(error)) : Effect.fail(error)
    )
  return Instance.of({
    opened,
    mountLayers: Effect.fn("Instance.mountLayers")((layers, { cacheBytes }) =>
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
    run: Effect.fn("Instance.run")(({ privateUsers, ...request }) =>
      ask("run", { ...request, private_users: privateUsers }, Ended)
    ),
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
