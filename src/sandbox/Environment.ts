import type { Directories } from "../relocate/Directories.ts"
import type { SearchPath } from "./Driver.ts"
import type { Identity } from "./Identity.ts"

/** What of the caller's environment reaches the guest. The rest can name hosts, sockets and secrets. */
const allowed = (name: string): boolean =>
  ["TERM", "COLORTERM", "NO_COLOR", "LANG", "LANGUAGE", "TZ"].includes(name) || name.startsWith("LC_")

/** Where the guest's own programs are; the bundled bash and busybox come after them. */
const guestPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** Facts of the image and the run, which the guest gets as `FIM_*`. */
export interface Facts {
  readonly version: string
  readonly commit: string
  readonly timestamp: string
  readonly distribution: string
  readonly pid: number
  readonly image: string
  readonly reservedOffset: number
  readonly data: string
  /** As the guest sees them. */
  readonly directories: Directories
}

/** What a version is called: a `v` in front of a number, and other names as they are. */
export const versionName = (version: string): string => /^\d/.test(version) ? `v${version}` : version

/** The variables that flatimage itself sets. */
export const variables = (facts: Facts): Readonly<Record<string, string>> => ({
  FIM_VERSION: versionName(facts.version),
  FIM_COMMIT: facts.commit,
  FIM_TIMESTAMP: facts.timestamp,
  FIM_DIST: facts.distribution,
  FIM_PID: String(facts.pid),
  FIM_BIN_SELF: facts.image,
  FIM_DIR_SELF: facts.directories.self,
  FIM_OFFSET: String(facts.reservedOffset),
  FIM_DIR_GLOBAL: facts.directories.global,
  FIM_DIR_APP: facts.directories.application,
  FIM_DIR_APP_BIN: facts.directories.bin,
  FIM_DIR_APP_SBIN: facts.directories.sbin,
  FIM_DIR_INSTANCE: facts.directories.instance,
  FIM_DIR_RUNTIME: facts.directories.runtime,
  FIM_DIR_RUNTIME_HOST: facts.directories.runtimeHost,
  FIM_DIR_DATA: facts.data,
  FIM_DIR_LAYERS: `${facts.data}/layers`
})

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
  const own = variables(facts)
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
