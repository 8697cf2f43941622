import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { Permission } from "../image/SettingsDefaults.ts"
import { Snapshot } from "../image/Snapshot.ts"
import { inGuest } from "../relocate/Directories.ts"
import { Host } from "../relocate/Host.ts"
import { Relocate } from "../relocate/Relocate.ts"
import type { DriverParts, SearchPath } from "./Driver.ts"

/** Fonts and icon themes of the host. */
export interface Looks {
  readonly binds: ReadonlyArray<readonly [type: "ro", source: string, target: string]>
  /** Where the guest searches icons and cursors. */
  readonly search: Readonly<Record<string, SearchPath>>
  /** Settings for fontconfig, with the guest's own; `undefined` if the host has no fonts. */
  readonly fontSettings: string | undefined
}

export const noLooks: Looks = { binds: [], search: {}, fontSettings: undefined }

/** Parts that must be searched on the host, because no name or variable has their path. */
export interface Found {
  /** Nodes of NVIDIA in `/dev`. */
  readonly nvidia: ReadonlyArray<string>
  readonly driver: DriverParts
  /** Nodes of optical drives in `/dev`. */
  readonly optical: ReadonlyArray<string>
  /** Whether the guest can find names with the host's `/etc/nsswitch.conf`. */
  readonly nameServices: boolean
  /** Nodes in `/dev` of devices of input that are used as they are. */
  readonly hidraw: ReadonlyArray<string>
  /** Cookies for the caller's display, for the guest; absent if there are none, or in another format. */
  readonly cookies: Uint8Array | undefined
  /** Fonts and icon themes. */
  readonly looks: Looks
  /** Certificate authorities that the host adds to those of its distribution, in base64. */
  readonly authorities: ReadonlyArray<string>
}

export const nothingFound: Found = {
  nvidia: [],
  driver: { binds: [], search: {}, files: [] },
  optical: [],
  nameServices: false,
  hidraw: [],
  cookies: undefined,
  looks: noLooks,
  authorities: []
}

const lookedFor: ReadonlySet<Permission> = new Set(["gpu", "input", "network", "optical", "wayland", "xorg"])

/**
 * The parts of the host that permissions open and that must be searched. The search runs while the janitor mounts; a start
 * without these permissions loads none of it.
 */
export class HostParts extends Context.Service<HostParts, Found>()("flatimage/sandbox/HostParts") {
  static readonly layer: Layer.Layer<HostParts, never, FileSystem.FileSystem | Host | Relocate | Snapshot> = Layer
    .effect(
      HostParts,
      Effect.gen(function*() {
        const { permissions } = yield* Snapshot
        if (!permissions.some((name) => lookedFor.has(name))) return nothingFound
        const fs = yield* FileSystem.FileSystem
        const { environment } = yield* Host
        const { directories } = yield* Relocate
        const { search } = yield* Effect.promise(() => import("./HostSearch.ts"))
        return yield* search(fs, {
          permissions: new Set(permissions),
          environment,
          instance: directories.instance,
          runtimeHost: inGuest(directories).runtimeHost,
          root: ""
        })
      })
    )
}
