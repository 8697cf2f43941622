import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { Snapshot } from "../image/Snapshot.ts"
import { Instance } from "../mount/Instance.ts"
import { Host } from "../relocate/Host.ts"
import { Relocate } from "../relocate/Relocate.ts"
import { PortalError } from "./PortalError.ts"

/**
 * The FIFOs through which host and guest ask each other to run commands. They are made with mode 0600 in a small file system of the
 * instance's namespaces, which only the caller can enter. Requests to the guest are heard by its first process; requests to the host
 * by a daemon here, if the image allows any program: a guest that may run nothing has nobody to ask.
 */
export class Portal extends Context.Service<Portal, {
  /** The directory that the guest sees, as the host finds it: an absolute path. */
  readonly directory: string
  /** Requests to the host are written here. */
  readonly host: string
  /** Requests to the guest are written here. */
  readonly guest: string
}>()("flatimage/portal/Portal") {
  static readonly layer: Layer.Layer<
    Portal,
    PortalError,
    Instance | Relocate | Snapshot | Host | ChildProcessSpawner.ChildProcessSpawner
  > = Layer.effect(Portal, Effect.suspend(() => make()))
}

const failing = (error: { readonly message: string }) => new PortalError({ reason: "Fifo", detail: error.message })

const make = Effect.fnUntraced(function*() {
  const { directories } = yield* Relocate
  const host = yield* Host
  const { extension } = yield* Snapshot
  const instance = yield* Instance
  const directory = `${directories.instance}/portal`
  const allowed = extension.portal.length > 0 ? extension.portal : undefined
  // Released with the namespaces and the directory of the instance.
  const prepared = Effect.mapError(instance.preparePortal(allowed), failing)
  if (allowed === undefined) yield* prepared
  else {
    const [{ serve }] = yield* Effect.all([Effect.promise(() => import("./HostDaemon.ts")), prepared], {
      concurrency: "unbounded"
    })
    const policy = { allowed, environment: host.environment, directory: host.directory }
    yield* serve({ program: `${directories.bin}/fim`, portal: directory, policy })
  }
  return Portal.of({
    directory,
    host: `${directory}/daemon/host.fifo`,
    guest: `${directory}/daemon/guest.fifo`
  })
})
