import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { Permission } from "../image/SettingsDefaults.ts"
import { Snapshot } from "../image/Snapshot.ts"
import { inGuest } from "../relocate/Directories.ts"
import { Relocate } from "../relocate/Relocate.ts"
import type { DriverParts } from "./Driver.ts"

/** Parts that must be searched on the host, because no name or variable has their path. */
export interface Found {
  /** Nodes of NVIDIA in `/dev`. */
  readonly nvidia: ReadonlyArray<string>
  readonly driver: DriverParts
  /** Nodes of optical drives in `/dev`. */
  readonly optical: ReadonlyArray<string>
  /** Whether the guest can find names with the host's `/etc/nsswitch.conf`. */
  readonly nameServices: boolean
}

export const nothingFound: Found = {
  nvidia: [],
  driver: { binds: [], search: {}, files: [] },
  optical: [],
  nameServices: false
}

const lookedFor: ReadonlySet<Permission> = new Set(["gpu", "network", "optical"])

/**
 * The parts of the host that permissions open and that must be searched. The search runs while the janitor mounts; a start
 * without these permissions loads none of it.
 */
export class HostParts extends Context.Service<HostParts, Found>()("flatimage/sandbox/HostParts") {
  static readonly layer: Layer.Layer<HostParts, never, FileSystem.FileSystem | Relocate | Snapshot> = Layer.effect(
    HostParts,
    Effect.gen(function*() {
      const { permissions } = yield* Snapshot
      if (!permissions.some((name) => lookedFor.has(name))) return nothingFound
      const fs = yield* FileSystem.FileSystem
      const { directories } = yield* Relocate
      const { search } = yield* Effect.promise(() => import("./HostSearch.ts"))
      return yield* search(fs, {
        permissions: new Set(permissions),
        instance: directories.instance,
        runtimeHost: inGuest(directories).runtimeHost,
        root: ""
      })
    })
  )
}
