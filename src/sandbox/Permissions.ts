import type { Permission } from "../image/SettingsDefaults.ts"
import type { Bind } from "./Arguments.ts"
import type { Identity } from "./Identity.ts"

/** What the granted permissions add to a sandbox. */
export interface Granted {
  readonly network: boolean
  readonly binds: ReadonlyArray<Bind>
  readonly environment: Readonly<Record<string, string>>
}

type HostEnvironment = Readonly<Record<string, string | undefined>>

interface Grant {
  readonly binds?: ReadonlyArray<readonly [type: Bind["type"], source: string, target?: string]>
  /** Variables of the host that the guest gets as they are. */
  readonly passes?: ReadonlyArray<string>
  readonly sets?: Readonly<Record<string, string>>
}

/** The file behind a D-Bus address, if it is one: `unix:path=FILE`, perhaps with options behind it. */
const socketOfAddress = (address: string | undefined): string | undefined =>
  address?.split(";")[0]?.match(/^unix:(?:.*,)?path=([^,]+)/)?.[1]

const runtimeFile = (host: HostEnvironment, name: string): string | undefined =>
  host["XDG_RUNTIME_DIR"] === undefined ? undefined : `${host["XDG_RUNTIME_DIR"]}/${name}`

/** What each permission opens. The guest's runtime directory has a fixed place, so sockets move there. */
const grants: Readonly<Record<Permission, (host: HostEnvironment, identity: Identity) => Grant>> = {
  home: (_, { home, uid }) => (uid === 0 || home === "/" ? {} : { binds: [["rw", home]] }),
  media: () => ({ binds: [["rw", "/media"], ["rw", "/run/media"], ["rw", "/mnt"]] }),
  audio: (host, { uid }) => {
    const sockets = ["pulse/native", "pipewire-0"].flatMap((name) => {
      const source = runtimeFile(host, name)
      return source === undefined ? [] : [["rw", source, `/run/user/${uid}/${name}`] as const]
    })
    return {
      binds: [...sockets, ["dev", "/dev/snd"], ["dev", "/dev/dsp"], ["ro", "/proc/asound"]],
      ...(sockets.length === 0 ? {} : { sets: { PULSE_SERVER: `unix:/run/user/${uid}/pulse/native` } })
    }
  },
  wayland: (host, { uid }) => {
    const display = host["WAYLAND_DISPLAY"]
    if (display === undefined || display === "") return {}
    const name = display.slice(display.lastIndexOf("/") + 1)
    const source = display.startsWith("/") ? display : runtimeFile(host, display)
    if (source === undefined) return {}
    return { binds: [["rw", source, `/run/user/${uid}/${name}`]], sets: { WAYLAND_DISPLAY: name } }
  },
  xorg: (host) => {
    const display = host["DISPLAY"]?.match(/^(?:unix)?:(\d+)/)?.[1]
    if (display === undefined) return {}
    const authority = host["XAUTHORITY"]
    return {
      binds: [
        ["rw", `/tmp/.X11-unix/X${display}`],
        ...(authority === undefined || authority === "" ? [] : [["ro", authority] as const])
      ],
      passes: ["DISPLAY", "XAUTHORITY"]
    }
  },
  dbus_user: (host) => {
    const socket = socketOfAddress(host["DBUS_SESSION_BUS_ADDRESS"])
    return socket === undefined ? {} : { binds: [["rw", socket]], passes: ["DBUS_SESSION_BUS_ADDRESS"] }
  },
  dbus_system: () => ({ binds: [["rw", "/run/dbus/system_bus_socket"]] }),
  udev: () => ({ binds: [["ro", "/run/udev"]] }),
  usb: () => ({
    binds: [["dev", "/dev/bus/usb"], ["dev", "/dev/usb"], ["ro", "/sys/bus/usb"], ["ro", "/sys/devices"]]
  }),
  input: () => ({ binds: [["dev", "/dev/input"], ["dev", "/dev/uinput"], ["ro", "/sys/class/input"]] }),
  gpu: () => ({
    binds: [
      ["dev", "/dev/dri"],
      ["dev", "/dev/nvidiactl"],
      ["dev", "/dev/nvidia0"],
      ["dev", "/dev/nvidia-modeset"],
      ["dev", "/dev/nvidia-uvm"],
      ["ro", "/sys/class/drm"],
      ["ro", "/sys/dev/char"],
      ["ro", "/sys/devices"]
    ]
  }),
  network: () => ({
    binds: [["ro", "/etc/host.conf"], ["ro", "/etc/hosts"], ["ro", "/etc/nsswitch.conf"], ["ro", "/etc/resolv.conf"]]
  }),
  shm: () => ({ binds: [["dev", "/dev/shm"]] }),
  optical: () => ({ binds: ["sr0", "sr1", "sg0", "sg1"].map((name) => ["dev", `/dev/${name}`] as const) }),
  dev: () => ({ binds: [["dev", "/dev"]] })
}

/** `dev` comes first: what another permission puts into `/dev` must lie on top of it. */
const inOrder = (permissions: ReadonlyArray<Permission>): ReadonlyArray<Permission> =>
  [...permissions].sort((left, right) => Number(right === "dev") - Number(left === "dev"))

/** What a set of permissions opens for an identity, given the caller's environment. Parts that are missing are passed over. */
export const permissionsOf = (
  permissions: ReadonlyArray<Permission>,
  identity: Identity,
  host: HostEnvironment
): Granted => {
  const granted = inOrder(permissions).map((permission) => grants[permission](host, identity))
  const environment: Record<string, string> = {}
  for (const grant of granted) {
    for (const name of grant.passes ?? []) {
      const value = host[name]
      if (value !== undefined) environment[name] = value
    }
    Object.assign(environment, grant.sets)
  }
  return {
    network: permissions.includes("network"),
    binds: granted.flatMap((grant) =>
      (grant.binds ?? []).map(([type, source, target]) => ({ type, source, target: target ?? source, optional: true }))
    ),
    environment
  }
}
