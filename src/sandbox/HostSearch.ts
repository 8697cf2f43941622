import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Permission } from "../image/SettingsDefaults.ts"
import * as Utf8 from "../Utf8.ts"
import { authorityOf, xServerOf } from "./Addresses.ts"
import { addedAuthorities } from "./Certificates.ts"
import { cookiesFor, cookiesLimit } from "./Cookies.ts"
import { driverParts } from "./Driver.ts"
import { findDriver } from "./DriverSearch.ts"
import { type Found, noLooks, nothingFound } from "./HostParts.ts"
import { type HostReader, reader } from "./HostReader.ts"
import { findLooks } from "./Looks.ts"
import { nameServicesLimit, servesGuests } from "./NameServices.ts"

type Environment = Readonly<Record<string, string | undefined>>

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

/** The cookies that the caller's programs would use for the display. */
const cookiesOf = Effect.fnUntraced(function*(host: HostReader, environment: Environment) {
  const server = xServerOf(environment["DISPLAY"])
  const path = authorityOf(environment)
  if (server === undefined || path === undefined) return undefined
  const bytes = yield* host.bytesOf(path, cookiesLimit)
  const name = yield* host.bytesOf("/proc/sys/kernel/hostname", 4096)
  return bytes === undefined || name === undefined
    ? undefined
    : cookiesFor(bytes, server.number, Utf8.decode(name).trim())
})

/**
 * Searches the parts of the host for the permissions. `root` replaces the host's `/`, and is empty except in tests;
 * `instance` and `runtimeHost` are directories of the instance on the host and of the host's files in the guest.
 */
export const search = Effect.fn("HostSearch.search")(function*(fs: FileSystem.FileSystem, options: {
  readonly permissions: ReadonlySet<Permission>
  /** The caller's. */
  readonly environment: Environment
  readonly instance: string
  readonly runtimeHost: string
  readonly root: string
}) {
  const { permissions, root } = options
  const host = reader(fs, root)
  const { environment } = options
  const inDevices = ["gpu", "input", "optical"] as const
  const devices = inDevices.some((name) => permissions.has(name)) ? yield* host.namesIn("/dev") : []
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
    nameServices: services !== undefined && servesGuests(Utf8.decode(services)),
    hidraw: permissions.has("input") ? nodes(devices, /^hidraw\d+$/) : [],
    cookies: permissions.has("xorg") ? yield* cookiesOf(host, environment) : undefined,
    looks: permissions.has("xorg") || permissions.has("wayland")
      ? yield* findLooks(host, environment, options.runtimeHost)
      : noLooks,
    authorities: permissions.has("network") ? yield* addedAuthorities(host, environment) : []
  } satisfies Found
})
