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
 * The FIFOs through which host and guest request commands from each other. They have mode 0600 and lie in a small file system of the
 * instance's namespaces, which only the caller can enter. The guest's first process reads requests to the guest; a daemon on the host
 * reads requests to the host, and runs only if the image allows any program.
 */
export class Portal extends Context.Service<Portal, {
  /** The portal's directory: an absolute path on the host. */
  readonly directory: string
  /** The FIFO for requests to the host. */
  readonly host: string
  /** The FIFO for requests to the guest. */
  readonly guest: string
}>()("flatimage/portal/Portal") {
  static readonly layer: Layer.Layer<
    Portal,
    PortalError,
    Instance | Relocate | Snapshot | Host | ChildProcessSpawner.ChildProcessSpawner
  > = Layer.effect(Portal, Effect.suspend(() => make()))
}

const failing = (error: { readonly message: string }) =>
  new PortalError({ reason: "Fifo", detail: error.message, cause: error })

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
