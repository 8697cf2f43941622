/** Addresses of displays, buses and sound servers in the forms that the host's own clients accept. Pure. */
import * as Utf8 from "../Utf8.ts"

/** Where an X server is. */
export type XServer =
  /** The number of a display of this host, whose socket has a fixed place. */
  | { readonly _tag: "Local"; readonly number: string }
  /** A socket with a path of its own. */
  | { readonly _tag: "Socket"; readonly path: string; readonly number: string }
  /** Reached over the network, as `ssh -X` forwards it. */
  | { readonly _tag: "Network"; readonly number: string }

/**
 * The X server of a display, as libxcb reads it: `[PROTOCOL/][HOST]:NUMBER[.SCREEN]`, or the path of a socket.
 *
 * @param display the value of `DISPLAY`
 * @returns `undefined` if it names no X server
 */
export const xServerOf = (display: string | undefined): XServer | undefined => {
  if (display === undefined) return undefined
  const path = /^(?:unix:)?(\/.+)$/.exec(display)?.[1]
  if (path !== undefined) {
    const [, socket = path] = /^(.*[^/])\.\d+$/.exec(path) ?? []
    const number = /:(\d+)$/.exec(socket)?.[1] ?? "0"
    return { _tag: "Socket", path: socket, number }
  }
  const [, protocol, host = "", number] = /^(?:([\w-]+)\/)?([^/]*):(\d{1,5})(?:\.\d+)?$/.exec(display) ?? []
  if (number === undefined) return undefined
  const isLocal = protocol === "unix" || host === "" || host === "unix"
  if (isLocal) return { _tag: "Local", number }
  // A second colon is of DECnet, unless the host is an address of IPv6.
  if (protocol !== undefined && !/^(?:tcp|inet|inet6)$/.test(protocol)) return undefined
  return host.endsWith(":") && !host.startsWith("[") && !/^[\da-f:]+$/i.test(host)
    ? undefined
    : { _tag: "Network", number }
}

/**
 * The file with the cookies of X servers, as libXau finds it.
 *
 * @param environment the caller's
 */
export const authorityOf = (environment: Readonly<Record<string, string | undefined>>): string | undefined => {
  const chosen = environment["XAUTHORITY"]
  if (chosen !== undefined && chosen !== "") return chosen.startsWith("/") ? chosen : undefined
  const home = environment["HOME"]
  return home?.startsWith("/") === true ? `${home === "/" ? "" : home}/.Xauthority` : undefined
}

/** Where a bus is. */
export type Bus =
  /** A socket with a path. */
  | { readonly _tag: "Socket"; readonly path: string }
  /** The socket `bus` of the runtime directory. */
  | { readonly _tag: "Runtime" }
  /** Reached over the network. Sockets without a path are too: the kernel keeps them apart for each network. */
  | { readonly _tag: "Network" }

/** Replaces `%XX`. `undefined` for a wrong escape, and for what is not UTF-8. */
const unescaped = (text: string): string | undefined => {
  if (/%(?![\da-f]{2})/i.test(text)) return undefined
  const bytes = Utf8.encode(text.replaceAll(/%[\da-f]{2}/gi, "%")).slice()
  const escaped = [...text.matchAll(/%([\da-f]{2})/gi)].map(([, digits = ""]) => Number.parseInt(digits, 16))
  const percent = 0x25
  let next = 0
  for (const [index, byte] of bytes.entries()) if (byte === percent) bytes[index] = escaped[next++] ?? percent
  const decoded = Utf8.decode(bytes)
  return decoded.includes("\uFFFD") || decoded.includes("\0") ? undefined : decoded
}

/**
 * The first entry of a D-Bus address that can be used. Entries are separated by `;`, values escape characters as `%XX`.
 *
 * @param address the value of `DBUS_SESSION_BUS_ADDRESS` or `DBUS_SYSTEM_BUS_ADDRESS`
 * @param network whether the guest is in the host's network; if not, entries that need it are passed over
 */
export const busOf = (address: string, network: boolean): Bus | undefined => {
  const buses = address.split(";").flatMap((entry): ReadonlyArray<Bus> => {
    const [, transport, rest] = /^([a-z-]+):(.*)$/s.exec(entry) ?? []
    if (transport === undefined || rest === undefined) return []
    const values = new Map(
      rest.split(",").flatMap((pair) => {
        const at = pair.indexOf("=")
        const value = at < 1 ? undefined : unescaped(pair.slice(at + 1))
        return value === undefined ? [] : [[pair.slice(0, at), value] as const]
      })
    )
    const path = values.get("path")
    if (transport === "unix" && path?.startsWith("/") === true) return [{ _tag: "Socket", path }]
    if (transport === "unix" && values.get("runtime") === "yes") return [{ _tag: "Runtime" }]
    const isNetwork = (transport === "unix" && values.has("abstract")) || (transport === "tcp" && values.has("host"))
    return isNetwork ? [{ _tag: "Network" }] : []
  })
  return buses.find(({ _tag }) => network || _tag !== "Network") ?? buses[0]
}

/** Where a sound server is. */
export type SoundServer =
  | { readonly _tag: "Socket"; readonly path: string }
  /** Reached over the network, by its address. */
  | { readonly _tag: "Network"; readonly address: string }

/**
 * The sound server that a variable names: the first entry of a list separated by blanks, each perhaps with the machine it is
 * meant for in braces.
 *
 * @param value the value of `PULSE_SERVER`
 */
export const soundServerOf = (value: string | undefined): SoundServer | undefined => {
  const first = value?.trim().split(/\s+/)[0]?.replace(/^\{[^}]*\}/, "")
  if (first === undefined || first === "") return undefined
  const path = /^(?:unix:)?(\/.*)$/.exec(first)?.[1]
  if (path !== undefined) return { _tag: "Socket", path }
  return /^(?:tcp[46]?:)?[\w.:[\]-]+$/.test(first) ? { _tag: "Network", address: first } : undefined
}
