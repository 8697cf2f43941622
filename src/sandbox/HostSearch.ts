import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Permission } from "../image/SettingsDefaults.ts"
import * as Utf8 from "../Utf8.ts"
import { driverParts } from "./Driver.ts"
import { findDriver } from "./DriverSearch.ts"
import { type Found, nothingFound } from "./HostParts.ts"
import { type HostReader, reader } from "./HostReader.ts"
import { nameServicesLimit, servesGuests } from "./NameServices.ts"

/** What SCSI calls a drive for CDs and DVDs. */
const opticalType = "5"

/** Nodes in `/dev`, those with lower numbers first. */
const nodes = (names: ReadonlyArray<string>, pattern: RegExp): ReadonlyArray<string> =>
  names.filter((name) => pattern.test(name)).toSorted((left, right) =>
    left.localeCompare(right, "en", { numeric: true })
  )

/**
 * Optical drives and their generic nodes. Disks have generic nodes too, through which they can be written past
 * their file systems; a node counts only if the kernel does not list it as another kind of device.
 */
const opticalNodes = Effect.fnUntraced(function*(host: HostReader, names: ReadonlyArray<string>) {
  const generic = yield* Effect.filter(
    nodes(names, /^sg\d+$/),
    (name) =>
      Effect.map(
        host.bytesOf(`/sys/class/scsi_generic/${name}/device/type`, 4096),
        (bytes) => bytes === undefined || Utf8.decode(bytes).trim() === opticalType
      )
  )
  return [...nodes(names, /^sr\d+$/), ...generic]
})

/**
 * Searches the parts of the host for the permissions. `root` replaces the host's `/`, and is empty except in tests;
 * `instance` and `runtimeHost` are directories of the instance on the host and of the host's files in the guest.
 */
export const search = Effect.fn("HostSearch.search")(function*(fs: FileSystem.FileSystem, options: {
  readonly permissions: ReadonlySet<Permission>
  readonly instance: string
  readonly runtimeHost: string
  readonly root: string
}) {
  const { permissions, root } = options
  const host = reader(fs, root)
  const devices = permissions.has("gpu") || permissions.has("optical") ? yield* host.namesIn("/dev") : []
  const driver = permissions.has("gpu")
    ? driverParts(yield* findDriver(fs, root), options.instance, options.runtimeHost)
    : nothingFound.driver
  const services = permissions.has("network")
    ? yield* host.bytesOf("/etc/nsswitch.conf", nameServicesLimit)
    : undefined
  return {
    nvidia: permissions.has("gpu") ? nodes(devices, /^nvidia/) : [],
    driver,
    optical: permissions.has("optical") ? yield* opticalNodes(host, devices) : [],
    nameServices: services !== undefined && servesGuests(Utf8.decode(services))
  } satisfies Found
})
