import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { Snapshot } from "../image/Snapshot.ts"
import { Janitor } from "../mount/Janitor.ts"
import { Host } from "../relocate/Host.ts"
import { Relocate } from "../relocate/Relocate.ts"
import { PortalError } from "./PortalError.ts"

/**
 * The FIFOs through which host and guest ask each other to run commands. They are made with mode 0600 in the instance
 * directory, which only the caller can enter. Requests to the guest are heard by its first process; requests to the host
 * by a daemon here, if the image allows any program: a guest that may run nothing has nobody to ask.
 */
export class Portal extends Context.Service<Portal, {
  /** The directory that the guest sees, an absolute path. */
  readonly directory: string
  /** Requests to the host are written here. */
  readonly host: string
  /** Requests to the guest are written here. */
  readonly guest: string
}>()("flatimage/portal/Portal") {
  static readonly layer: Layer.Layer<
    Portal,
    PortalError,
    Janitor | Relocate | Snapshot | Host | FileSystem.FileSystem | ChildProcessSpawner.ChildProcessSpawner
  > = Layer.effect(Portal, Effect.suspend(() => make()))
}

const failing = (error: { readonly message: string }) => new PortalError({ reason: "Fifo", detail: error.message })

const make = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const { directories } = yield* Relocate
  const host = yield* Host
  const { extension } = yield* Snapshot
  const janitor = yield* Janitor
  const fifos = ["portal/daemon/host.fifo", "portal/daemon/guest.fifo"] as const
  const directory = `${directories.instance}/portal`
  // Released with the directory of the instance, which the janitor removes as a whole.
  yield* Effect.mapError(janitor.makeFifos(fifos), failing)
  if (extension.portal.length > 0) {
    const [{ serve }] = yield* Effect.all([
      Effect.promise(() => import("./HostDaemon.ts")),
      // For the guest's client, which says no by itself and costs the host nothing.
      fs.writeFileString(`${directory}/allowed`, JSON.stringify(extension.portal), { mode: 0o600 }).pipe(
        Effect.mapError(failing)
      )
    ], { concurrency: "unbounded" })
    const policy = { allowed: extension.portal, environment: host.environment, directory: host.directory }
    yield* serve({ program: `${directories.bin}/fim`, portal: directory, policy })
  }
  return Portal.of({
    directory,
    host: `${directories.instance}/${fifos[0]}`,
    guest: `${directories.instance}/${fifos[1]}`
  })
})
