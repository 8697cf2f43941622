/**
 * The names and defaults of settings. Separate from the schemas, which take too long to load on a start for settings that
 * are not stored.
 */
import type { Fields } from "./Settings.ts"

/** In the order of their bits. */
export const permissionNames = [
  "home",
  "media",
  "audio",
  "wayland",
  "xorg",
  "dbus_user",
  "dbus_system",
  "udev",
  "usb",
  "input",
  "gpu",
  "network",
  "dev",
  "shm",
  "optical"
] as const
export type Permission = (typeof permissionNames)[number]

/** In the order of their bits. */
export const namespaceNames = ["user", "ipc", "pid", "net", "uts", "cgroup"] as const
export type Namespace = (typeof namespaceNames)[number]

/**
 * The names that settings store, in the order of their bits. `default` stands for the namespaces that a guest has by
 * default.
 */
export const unshareNames = [...namespaceNames, "default"] as const
export type Unshare = (typeof unshareNames)[number]

/** In the order of their numbers. */
export const overlayNames = ["bwrap", "overlayfs", "unionfs"] as const
export type Overlay = (typeof overlayNames)[number]

/** Types of binds. */
export const bindingTypes = ["ro", "rw", "dev"] as const

/** Desktop integrations, in the order of their bits. */
export const integrationNames = ["ENTRY", "MIMETYPE", "ICON"] as const

/** The value of each field that was never written. */
export const defaults: Fields = {
  permissions: [],
  notify: false,
  overlay: "bwrap",
  casefold: false,
  desktop: undefined,
  boot: { program: "bash", args: [] },
  icon: undefined,
  environment: {},
  bindings: [],
  remote: undefined,
  unshare: [],
  extension: { distribution: "BLUEPRINT", portal: [] }
}
