import type { Permission } from "../image/SettingsDefaults.ts"
import { authorityOf, busOf, soundServerOf, xServerOf } from "./Addresses.ts"
import type { Bind } from "./Arguments.ts"
import type { SearchPath } from "./Driver.ts"
import { isHomePlace } from "./Home.ts"
import type { Found } from "./HostParts.ts"
import type { Identity } from "./Identity.ts"

export interface GrantedBind extends Bind {
  readonly permission: Permission
}

/** What the granted permissions add to a sandbox. */
export interface Granted {
  readonly network: boolean
  readonly binds: ReadonlyArray<GrantedBind>
  readonly environment: Readonly<Record<string, string>>
  /** What lists of directories in variables get behind what they have. */
  readonly search: Readonly<Record<string, SearchPath>>
  /** Why a permission opens less than it could, as far as that is known without reading the host. */
  readonly lacks: ReadonlyArray<{ readonly permission: Permission; readonly reason: string }>
}

type HostEnvironment = Readonly<Record<string, string | undefined>>

interface Grant {
  readonly binds?: ReadonlyArray<readonly [type: Bind["type"], source: string, target?: string]>
  /** Variables of the host that the guest gets as they are. */
  readonly passes?: ReadonlyArray<string>
  readonly sets?: Readonly<Record<string, string>>
  readonly search?: Readonly<Record<string, SearchPath>>
  readonly lacks?: string
}

const runtimeFile = (host: HostEnvironment, name: string): string | undefined =>
  host["XDG_RUNTIME_DIR"] === undefined ? undefined : `${host["XDG_RUNTIME_DIR"]}/${name}`

/** Sockets of the network need this permission too. */
const needsNetwork = "it is reached over the network: to allow it, add the permission network"

/** What opens a bus. `usual` is where its socket is if the variable is not set, on the host and in the guest. */
const busGrant = (
  { name, usual }: { readonly name: string; readonly usual: readonly [source: string, target: string] | undefined },
  host: HostEnvironment,
  network: boolean
): Grant => {
  const address = host[name]
  const isDefault = address === undefined || address === "" || address === "autolaunch:"
  const bus = isDefault ? { _tag: "Runtime" as const } : busOf(address, network)
  switch (bus?._tag) {
    case "Socket":
      return { binds: [["rw", bus.path]], passes: [name] }
    case "Runtime": {
      if (usual === undefined) return { lacks: `${name} names no socket with a path` }
      const [source, target] = usual
      return { binds: [["rw", source, target]], sets: { [name]: `unix:path=${target}` } }
    }
    case "Network":
      return network ? { passes: [name] } : { lacks: `${name}: ${needsNetwork}` }
    case undefined:
      return { lacks: `${name} names no socket with a path` }
  }
}

/** Variables by which programs find proxies. Programs differ in the case that they read. */
const proxyVariables = ["http", "https", "ftp", "rsync", "all", "no"]
  .flatMap((name) => [`${name}_proxy`, `${name.toUpperCase()}_PROXY`])

/** What each permission opens. The guest's runtime directory has a fixed place, so sockets move there. */
const grants: Readonly<
  Record<Permission, (host: HostEnvironment, identity: Identity, found: Found, network: boolean) => Grant>
> = {
  home: (_, { home, uid }) => {
    if (uid === 0 || home === "/") return { lacks: "the home directory of the guest is its own" }
    return !isHomePlace(home)
      ? { lacks: `HOME is '${home}', which the guest has for itself` }
      : { binds: [["rw", home]] }
  },
  media: () => ({ binds: [["rw", "/media"], ["rw", "/run/media"], ["rw", "/mnt"]] }),
  audio: (host, { uid }, _, network) => {
    const chosen = soundServerOf(host["PULSE_SERVER"])
    const pulse = chosen?._tag === "Socket"
      ? chosen.path
      : host["PULSE_RUNTIME_PATH"] === undefined
      ? runtimeFile(host, "pulse/native")
      : `${host["PULSE_RUNTIME_PATH"]}/native`
    const remote = host["PIPEWIRE_REMOTE"] || "pipewire-0"
    const pipewire = remote.startsWith("/")
      ? remote
      : host["PIPEWIRE_RUNTIME_DIR"] === undefined
      ? runtimeFile(host, remote)
      : `${host["PIPEWIRE_RUNTIME_DIR"]}/${remote}`
    const moved = (name: string, source: string | undefined) =>
      source?.startsWith("/") === true ? [["rw", source, `/run/user/${uid}/${name}`] as const] : []
    const devices = [
      ...moved("pipewire-0", pipewire),
      ["dev", "/dev/snd"],
      ["dev", "/dev/dsp"],
      ["ro", "/proc/asound"]
    ] as const
    if (chosen?._tag === "Network" && network) {
      const cookie = host["PULSE_COOKIE"] || `${host["HOME"] ?? ""}/.config/pulse/cookie`
      const target = `/run/user/${uid}/pulse/cookie`
      return {
        binds: [["ro", cookie, target], ...devices],
        sets: { PULSE_SERVER: chosen.address, PULSE_COOKIE: target }
      }
    }
    const sockets = moved("pulse/native", chosen?._tag === "Network" ? undefined : pulse)
    return {
      binds: [...sockets, ...devices],
      ...(sockets.length > 0 ? { sets: { PULSE_SERVER: `unix:/run/user/${uid}/pulse/native` } } : {
        lacks: chosen?._tag === "Network"
          ? `PULSE_SERVER: ${needsNetwork}`
          : "XDG_RUNTIME_DIR is not set, so there are no sockets of PulseAudio and PipeWire"
      })
    }
  },
  wayland: (host, { uid }) => {
    const display = host["WAYLAND_DISPLAY"]
    if (display === undefined || display === "") return { lacks: "WAYLAND_DISPLAY is not set" }
    const name = display.slice(display.lastIndexOf("/") + 1)
    const source = display.startsWith("/") ? display : runtimeFile(host, display)
    if (source === undefined) return { lacks: "XDG_RUNTIME_DIR is not set" }
    return { binds: [["rw", source, `/run/user/${uid}/${name}`]], sets: { WAYLAND_DISPLAY: name } }
  },
  xorg: (host, _, { cookies }, network) => {
    const server = xServerOf(host["DISPLAY"])
    if (server === undefined) return { lacks: "DISPLAY names no X server" }
    if (server._tag === "Network" && !network) return { lacks: `DISPLAY: ${needsNetwork}` }
    const authority = authorityOf(host)
    const socket = server._tag === "Socket" ? server.path : `/tmp/.X11-unix/X${server.number}`
    const shown = cookies === undefined && authority !== undefined
    return {
      binds: [
        ...(server._tag === "Network" ? [] : [["rw", socket] as const]),
        ...(shown ? [["ro", authority] as const] : [])
      ],
      passes: ["DISPLAY"],
      ...(shown ? { sets: { XAUTHORITY: authority } } : {}),
      ...(authority === undefined ? { lacks: "XAUTHORITY is not set" } : {})
    }
  },
  dbus_user: (host, { uid }, _, network) => {
    const socket = runtimeFile(host, "bus")
    const usual = socket === undefined ? undefined : [socket, `/run/user/${uid}/bus`] as const
    return busGrant({ name: "DBUS_SESSION_BUS_ADDRESS", usual }, host, network)
  },
  dbus_system: (host, _, __, network) => {
    const name = "DBUS_SYSTEM_BUS_ADDRESS"
    // Programs have this place built in.
    return host[name] === undefined || host[name] === ""
      ? { binds: [["rw", "/run/dbus/system_bus_socket"]] }
      : busGrant({ name, usual: undefined }, host, network)
  },
  udev: () => ({ binds: [["ro", "/run/udev"]] }),
  usb: () => ({
    binds: [["dev", "/dev/bus/usb"], ["dev", "/dev/usb"], ["ro", "/sys/bus/usb"], ["ro", "/sys/devices"]]
  }),
  input: (_, __, { hidraw }) => ({
    binds: [
      ["dev", "/dev/input"],
      ["dev", "/dev/uinput"],
      ...hidraw.map((name) => ["dev", `/dev/${name}`] as const),
      ["ro", "/sys/class/input"],
      ["ro", "/sys/class/hidraw"]
    ]
  }),
  gpu: (_, __, { driver, nvidia }) => ({
    binds: [
      ["dev", "/dev/dri"],
      // Compute on cards of AMD, graphics of Windows below a Linux in it, other accelerators, and what Wine waits with.
      ["dev", "/dev/kfd"],
      ["dev", "/dev/dxg"],
      ["dev", "/dev/accel"],
      ["dev", "/dev/ntsync"],
      ["dev", "/dev/udmabuf"],
      ...nvidia.map((name) => ["dev", `/dev/${name}`] as const),
      ["ro", "/sys/class/drm"],
      ["ro", "/sys/class/kfd"],
      ["ro", "/sys/dev/char"],
      ["ro", "/sys/devices"],
      ...driver.binds
    ],
    search: driver.search,
    ...(driver.binds.length === 0 ? { lacks: "the host has no driver of NVIDIA" } : {})
  }),
  network: (_, __, { nameServices }) => ({
    binds: [
      ["ro", "/etc/host.conf"],
      ["ro", "/etc/hosts"],
      ...(nameServices ? [["ro", "/etc/nsswitch.conf"] as const] : []),
      ["ro", "/etc/resolv.conf"]
    ],
    passes: proxyVariables,
    ...(nameServices
      ? {}
      : { lacks: "the host has no /etc/nsswitch.conf that would do in the guest, which keeps its own" })
  }),
  shm: () => ({ binds: [["dev", "/dev/shm"]] }),
  optical: (_, __, { optical }) => ({
    binds: optical.map((name) => ["dev", `/dev/${name}`] as const),
    ...(optical.length === 0 ? { lacks: "the host has no optical drive" } : {})
  }),
  dev: () => ({ binds: [["dev", "/dev"]] })
}

/** `dev` comes first: what another permission puts into `/dev` must lie on top of it. */
const inOrder = (permissions: ReadonlyArray<Permission>): ReadonlyArray<Permission> =>
  [...permissions].sort((left, right) => Number(right === "dev") - Number(left === "dev"))

const rights = ["ro", "rw", "dev"] as const satisfies ReadonlyArray<Bind["type"]>

/** Whether a place already shows what a bind would put there, with the same rights or more. */
const shows = (earlier: Bind, bind: Bind): boolean => {
  const below = bind.target === earlier.target ? "" : bind.target.slice(earlier.target.length)
  return bind.target.startsWith(earlier.target) && (below === "" || below.startsWith("/")) &&
    bind.source === `${earlier.source}${below}` && rights.indexOf(earlier.type) >= rights.indexOf(bind.type)
}

/**
 * The parts of the host that a set of permissions opens for an identity, given the caller's environment. Missing parts are skipped.
 *
 * @param network whether the guest is in the host's network, where that does not follow from the permissions
 */
export const permissionsOf = (
  permissions: ReadonlyArray<Permission>,
  identity: Identity,
  host: HostEnvironment,
  found: Found,
  network = permissions.includes("network")
): Granted => {
  const granted = inOrder(permissions).map((permission) => ({
    permission,
    grant: grants[permission](host, identity, found, network)
  }))
  const environment: Record<string, string> = {}
  const binds: Array<GrantedBind> = []
  for (const { grant, permission } of granted) {
    for (const name of grant.passes ?? []) {
      const value = host[name]
      if (value !== undefined) environment[name] = value
    }
    Object.assign(environment, grant.sets)
    for (const [type, source, target = source] of grant.binds ?? []) {
      const bind = { type, source, target, optional: true, permission }
      if (!binds.some((earlier) => shows(earlier, bind))) binds.push(bind)
    }
  }
  return {
    network: permissions.includes("network"),
    binds,
    environment,
    search: Object.assign({}, ...granted.map(({ grant }) => grant.search)),
    lacks: granted.flatMap(({ grant: { lacks }, permission }) =>
      lacks === undefined ? [] : [{ permission, reason: lacks }]
    )
  }
}
