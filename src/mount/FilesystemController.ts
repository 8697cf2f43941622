import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Overlay } from "../image/SettingsDefaults.ts"
import { runFilesystem } from "../image/SettingsRun.ts"
import { Snapshot } from "../image/Snapshot.ts"
import { LogFile } from "../Log.ts"
import { basename } from "../relocate/Directories.ts"
import { Host } from "../relocate/Host.ts"
import { Relocate } from "../relocate/Relocate.ts"
import { HotCache } from "./HotCache.ts"
import { Instance, type Unpacked } from "./Instance.ts"
import type { LayerPlace } from "./LayerPlace.ts"
import { LayerStack } from "./LayerStack.ts"
import * as Overlays from "./Overlay.ts"
import { readList } from "./ReadList.ts"

/** Layers or overlay cannot be mounted, or the host refuses the namespaces. */
export class MountError extends Data.TaggedError("MountError")<{
  readonly reason: "Layers" | "Namespace" | "Overlay"
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}

/**
 * Limit of the block cache that the layers of one instance share, in bytes. It holds what the start of a large program reads; unused
 * blocks are dropped after some seconds. The driver takes a quarter of the free memory where that is less.
 */
const cacheBytes = 256 * 1024 * 1024

/**
 * The merged root: the layers, the data directory's `data` on top of them, and above both, if enabled, the case-insensitive file
 * system. They are mounted one after the other in the janitor's namespace and unmounted together with it.
 */
export class FilesystemController extends Context.Service<FilesystemController, {
  /** Where the merged root is, in the janitor's namespace. */
  readonly root: string
  readonly data: string
  readonly layers: ReadonlyArray<LayerPlace>
  /** Whether the overlay is that of another running instance. */
  readonly shared: boolean
  /** Whether the caller is the only user in the janitor's namespace. */
  readonly ownUsers: boolean
  /** Why a guest of root must run in the host's user namespace; absent if it need not. */
  readonly sharedUsers: string | undefined
  /** Path of the host's own bubblewrap, which makes the sandbox if there are no namespaces. */
  readonly hostBwrap: string | undefined
}>()("flatimage/mount/FilesystemController") {
  static readonly layer: Layer.Layer<
    FilesystemController,
    MountError,
    Host | HotCache | Relocate | Snapshot | LayerStack | Instance
  > = Layer.effect(FilesystemController, Effect.suspend(() => make()))
}

const failing = (reason: MountError["reason"]) => (error: { readonly message: string }) =>
  new MountError({ reason, detail: error.message, cause: error })

const reportUnpacked = Effect.fnUntraced(function*(unpacked: Unpacked) {
  yield* Effect.logWarning(
    `Layers cannot be mounted (${unpacked.reason}), their files in '${unpacked.directory}' take their place`
  )
  if (unpacked.missing_devices > 0) {
    yield* Effect.logWarning(
      `${unpacked.missing_devices} device files of the layers are missing: only root can make them`
    )
  }
})

const make = Effect.fnUntraced(function*() {
  const host = yield* Host
  const relocate = yield* Relocate
  const instance = yield* Instance
  const path = relocate.directories.instance
  const { data, layers } = yield* LayerStack
  const { place: hot } = yield* HotCache
  const { casefold, overlay: asked, warning } = runFilesystem(yield* Snapshot, host.environment)
  if (warning !== undefined) yield* Effect.logWarning(warning)
  yield* Effect.logDebug("Phase: mount")
  const mountAs = (type: Overlay, others = true) =>
    type === "bwrap" ? instance.mountOverlay : instance.serveOverlay(
      Overlays.serverArguments({
        type,
        loader: relocate.loader,
        lib: relocate.directories.lib,
        bin: relocate.directories.bin,
        instance: basename(path),
        others
      }),
      casefold
    )
  // Sent together and executed in this order. The instance owns the mounts and releases them.
  const [opened, { lingered, unpacked, were_open: wereOpen }, first] = yield* Effect.all([
    Effect.mapError(instance.opened, failing("Namespace")),
    instance.mountLayers(layers, { cacheBytes, hot, reads: host.environment[readList] }).pipe(
      Effect.mapError(failing("Layers"))
    ),
    Effect.result(mountAs(asked))
  ], { concurrency: "unbounded" })
  const logFile = yield* LogFile
  yield* logFile.open(`${path}/logs/boot.log`)
  for (const { offset, path, size } of layers) {
    yield* Effect.logDebug(`Overlay layer '${path}', ${size} bytes from ${offset}`)
  }
  if (wereOpen) yield* Effect.logDebug("The layers are those of the last start and were open already")
  if (lingered) yield* Effect.logDebug("The layers were still mounted")
  if (unpacked !== null) yield* reportUnpacked(unpacked)
  const { outside } = opened
  if (outside !== undefined) {
    yield* Effect.logWarning(`The host's fusermount3 and ${outside.bwrap} are used: ${outside.reason}`)
  }
  const lacking = outside !== undefined ? "namespaces" : unpacked !== null ? "fuse" : undefined
  const others = Overlays.candidates(asked, lacking).slice(1)
  let overlay = asked
  let mounted = first
  while (mounted._tag === "Failure") {
    const next = others.shift()
    if (next === undefined) {
      return yield* failing("Overlay")(Overlays.refusal(mounted.failure.message, unpacked?.reason))
    }
    yield* Effect.logWarning(
      `Overlay '${overlay}' is not possible, '${next}' takes its place: ${mounted.failure.message}`
    )
    overlay = next
    mounted = yield* Effect.result(mountAs(overlay, outside === undefined))
  }
  yield* Effect.logDebug(`Overlay type: ${Overlays.logNames[overlay]}`)
  if (casefold) {
    yield* overlay === "bwrap"
      ? Effect.logWarning("Names of files do not ignore case: that needs FUSE")
      : Effect.logDebug("Names of files ignore case")
  }
  return FilesystemController.of({
    root: `${path}/mount`,
    data,
    layers,
    shared: opened.shared,
    ownUsers: opened.ownUsers,
    sharedUsers: opened.sharedUsers,
    hostBwrap: outside?.bwrap
  })
})
