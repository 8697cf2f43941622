import { type Facts, ownVariables } from "../relocate/OwnVariables.ts"
import type { SearchPath } from "./Driver.ts"
import type { Identity } from "./Identity.ts"

/** What of the caller's environment reaches the guest. The rest can name hosts, sockets and secrets. */
const allowed = (name: string): boolean =>
  ["TERM", "COLORTERM", "NO_COLOR", "LANG", "LANGUAGE", "TZ"].includes(name) || name.startsWith("LC_")

/** Terminals that every guest with programs for terminals describes. No start searches for these. */
export const usualTerminals: ReadonlySet<string> = new Set([
  "dumb",
  "linux",
  "screen",
  "vt100",
  "xterm",
  "xterm-256color"
])

/** Variables of the caller with locales that a guest may not have: `C` is part of every C library. */
export const localesOf = (
  environment: Readonly<Record<string, string | undefined>>
): ReadonlyArray<readonly [name: string, value: string]> =>
  Object.entries(environment).flatMap(([name, value]) =>
    (name === "LANG" || name.startsWith("LC_")) && value !== undefined && !/^(?:|C|POSIX)$/.test(value)
      ? [[name, value] as const]
      : []
  )

/** Where the guest's own programs are; the bundled bash and busybox come after them. */
const guestPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/games:/usr/games"

/**
 * The guest's whole environment: the allowed part of the caller's, the identity, ours, that of permissions, and last the
 * image's own variables (expanded), which may set anything but `FIM_*`. `search` is appended to the values.
 */
export const environmentOf = (options: {
  readonly host: Readonly<Record<string, string | undefined>>
  readonly identity: Identity
  readonly facts: Facts
  readonly permissions: Readonly<Record<string, string>>
  readonly search: Readonly<Record<string, SearchPath>>
  readonly image: Readonly<Record<string, string>>
}): Readonly<Record<string, string>> => {
  const { facts, identity } = options
  const own = ownVariables(facts)
  const passed: Record<string, string> = {}
  for (const [name, value] of Object.entries(options.host)) {
    if (value !== undefined && allowed(name)) passed[name] = value
  }
  const chosen = Object.fromEntries(Object.entries(options.image).filter(([name]) => !(name in own)))
  const given: Readonly<Record<string, string>> = {
    TERM: "xterm",
    ...passed,
    PATH: `${guestPath}:${facts.directories.bin}:${facts.directories.sbin}`,
    XDG_RUNTIME_DIR: `/run/user/${identity.uid}`,
    BASHRC_FILE: `${facts.directories.instance}/bashrc`,
    ...options.permissions,
    ...chosen
  }
  const searched = Object.entries(options.search).map(([name, { more, usual }]) => {
    const directories = [given[name] ?? usual, ...more].filter((part) => part !== "")
    return [name, directories.join(":")] as const
  })
  return {
    ...given,
    ...Object.fromEntries(searched),
    USER: identity.name,
    LOGNAME: identity.name,
    HOME: identity.home,
    SHELL: identity.shell,
    UID: String(identity.uid),
    GID: String(identity.gid),
    ...own
  }
}
