import type { Permission } from "../image/SettingsDefaults.ts"
import type { Bind } from "./Arguments.ts"
import type { SearchPath } from "./Driver.ts"
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

/** The file behind a D-Bus address, if it is one: `unix:path=FILE`, perhaps with options behind it. */
const socketOfAddress = (address: string | undefined): string | undefined =>
  address?.split(";")[0]?.match(/^unix:(?:.*,)?path=([^,]+)/)?.[1]

const runtimeFile = (host: HostEnvironment, name: string): string | undefined =>
  host["XDG_RUNTIME_DIR"] === undefined ? undefined : `${host["XDG_RUNTIME_DIR"]}/${name}`

/** What each permission opens. The guest's runtime directory has a fixed place, so sockets move there. */
const grants: Readonly<Record<Permission, (host: HostEnvironment, identity: Identity, found: Found) => Grant>> = {
  home: (_, { home, uid }) =>
    uid === 0 || home === "/" ? { lacks: "the home directory of the guest is its own" } : { binds: [["rw", home]] },
  media: () => ({ binds: [["rw", "/media"], ["rw", "/run/media"], ["rw", "/mnt"]] }),
  audio: (host, { uid }) => {
    const sockets = ["pulse/native", "pipewire-0"].flatMap((name) => {
      const source = runtimeFile(host, name)
      return source === undefined ? [] : [["rw", source, `/run/user/${uid}/${name}`] as const]
    })
    return {
      binds: [...sockets, ["dev", "/dev/snd"], ["dev", "/dev/dsp"], ["ro", "/proc/asound"]],
      ...(sockets.length === 0
        ? { lacks: "XDG_RUNTIME_DIR is not set, so there are no sockets of PulseAudio and PipeWire" }
        : { sets: { PULSE_SERVER: `unix:/run/user/${uid}/pulse/native` } })
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
  xorg: (host) => {
    const display = host["DISPLAY"]?.match(/^(?:unix)?:(\d+)/)?.[1]
    if (display === undefined) return { lacks: "DISPLAY names no X server of this host" }
    const authority = host["XAUTHORITY"]
    return {
      binds: [
        ["rw", `/tmp/.X11-unix/X${display}`],
        ...(authority === undefined || authority === "" ? [] : [["ro", authority] as const])
      ],
      passes: ["DISPLAY", "XAUTHORITY"],
      ...(authority === undefined || authority === "" ? { lacks: "XAUTHORITY is not set" } : {})
    }
  },
  dbus_user: (host) => {
    const socket = socketOfAddress(host["DBUS_SESSION_BUS_ADDRESS"])
    return socket === undefined
      ? { lacks: "DBUS_SESSION_BUS_ADDRESS names no socket with a path" }
      : { binds: [["rw", socket]], passes: ["DBUS_SESSION_BUS_ADDRESS"] }
  },
  dbus_system: () => ({ binds: [["rw", "/run/dbus/system_bus_socket"]] }),
  udev: () => ({ binds: [["ro", "/run/udev"]] }),
  usb: () => ({
    binds: [["dev", "/dev/bus/usb"], ["dev", "/dev/usb"], ["ro", "/sys/bus/usb"], ["ro", "/sys/devices"]]
  }),
  input: () => ({ binds: [["dev", "/dev/input"], ["dev", "/dev/uinput"], ["ro", "/sys/class/input"]] }),
  gpu: (_, __, { driver, nvidia }) => ({
    binds: [
      ["dev", "/dev/dri"],
      ...nvidia.map((name) => ["dev", `/dev/${name}`] as const),
      ["ro", "/sys/class/drm"],
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

/** The parts of the host that a set of permissions opens for an identity, given the caller's environment. Missing parts are skipped. */
export const permissionsOf = (
  permissions: ReadonlyArray<Permission>,
  identity: Identity,
  host: HostEnvironment,
  found: Found
): Granted => {
  const granted = inOrder(permissions).map((permission) => ({
    permission,
    grant: grants[permission](host, identity, found)
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
