import type { Permission } from "../image/SettingsDefaults.ts"

/** A short description of each permission. `docs/security.md` explains the consequences. */
export const permissionTexts: Readonly<Record<Permission, string>> = {
  home: "read and write the home directory",
  media: "read and write removable media",
  audio: "play and record sound",
  wayland: "open windows on Wayland",
  xorg: "open windows on X11, and read all input there",
  dbus_user: "talk to all programs on the session bus",
  dbus_system: "talk to all services on the system bus",
  udev: "see devices come and go",
  usb: "use USB devices",
  input: "read keyboards, mice and game controllers",
  gpu: "use graphics cards",
  network: "use the network of the host",
  dev: "use all devices",
  shm: "use the shared memory of the host",
  optical: "use optical drives"
}
