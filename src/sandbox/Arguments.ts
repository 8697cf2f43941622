import type { Binding } from "../image/Settings.ts"
import type { Namespace } from "../image/SettingsDefaults.ts"
import type { Directories } from "../relocate/Directories.ts"
import type { Identity } from "./Identity.ts"

/** A part of the host that the guest gets, in bubblewrap's words. `optional` ones are passed over when they are missing. */
export interface Bind {
  readonly type: Binding["type"]
  readonly source: string
  readonly target: string
  readonly optional: boolean
}

/** Where bubblewrap mounts something of its own, so that what the image has there is not seen. */
export const covered: ReadonlyArray<string> = ["/dev", "/proc", "/run", "/tmp"]

/** All that a sandbox is made of. Nothing here is looked up: equal requests give equal command lines. */
export interface SandboxRequest {
  /** The merged root, an absolute path in the janitor's namespace. */
  readonly root: string
  readonly host: Directories
  readonly guest: Directories
  readonly identity: Identity
  /** Whether the guest gets a user namespace from bubblewrap, in which the caller is the only user. */
  readonly ownUsers: boolean
  /** Whether the guest may be in the host's network. */
  readonly network: boolean
  /** Of ipc, uts, cgroup and net, those that the guest has for itself. Processes it always has. */
  readonly namespaces: ReadonlySet<Namespace>
  readonly binds: ReadonlyArray<Bind>
  readonly environment: Readonly<Record<string, string>>
  /** Working directories, best first; the first that exists in the guest is taken. */
  readonly directories: ReadonlyArray<string>
}

/** What root keeps in the guest, enough for package managers and services, and nothing that reaches the host's kernel. */
const rootCapabilities = [
  "CAP_AUDIT_WRITE",
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT"
]

/** What the first process needs to empty the bounding set, so that nothing in the guest can ever get any; it drops this too. */
const toBoundCapabilities = ["CAP_SETPCAP"]

/**
 * Where root is not alone in its user namespace it is the host's root, and files of `/proc` that only ask for that user would
 * let it change the host's kernel; the others ask for capabilities that it does not have. bubblewrap protects `/proc/sys`
 * only where a check of permissions says that it can be written, which for root it does not.
 */
const hostKernel = ["/proc/sys", "/proc/sysrq-trigger"].flatMap((path) => ["--ro-bind-try", path, path])

/** Whether the guest is in the host's network: it may be, and does not have one for itself all the same. */
export const sharesNetwork = (request: Pick<SandboxRequest, "namespaces" | "network">): boolean =>
  request.network && !request.namespaces.has("net")

const bindOption = (bind: Bind): ReadonlyArray<string> => {
  const option = { ro: "--ro-bind", rw: "--bind", dev: "--dev-bind" }[bind.type]
  return [bind.optional ? `${option}-try` : option, bind.source, bind.target]
}

/**
 * bubblewrap's arguments for a request, and the first process of the guest with its own, up to the program's words.
 * Options come in the order in which bubblewrap carries them out: root first, then what lies on top of it.
 */
export const sandboxArguments = (request: SandboxRequest): ReadonlyArray<string> => {
  const { guest, host, identity } = request
  const capabilities = identity.uid === 0 ? rootCapabilities : request.ownUsers ? toBoundCapabilities : []
  const runtimeDirectory = `/run/user/${identity.uid}`
  return [
    ...(request.ownUsers ? ["--unshare-user", "--uid", `${identity.uid}`, "--gid", `${identity.gid}`] : []),
    "--unshare-pid",
    ...(request.namespaces.has("ipc") ? ["--unshare-ipc"] : []),
    ...(request.namespaces.has("uts") ? ["--unshare-uts", "--hostname", "flatimage"] : []),
    ...(request.namespaces.has("cgroup") ? ["--unshare-cgroup-try"] : []),
    ...(sharesNetwork(request) ? [] : ["--unshare-net"]),
    "--die-with-parent",
    "--as-pid-1",
    "--cap-drop",
    "ALL",
    ...capabilities.flatMap((name) => ["--cap-add", name]),
    "--bind",
    request.root,
    "/",
    "--proc",
    "/proc",
    ...(request.ownUsers ? [] : hostKernel),
    "--dev",
    "/dev",
    "--dir",
    "/sys",
    "--perms",
    "1777",
    "--tmpfs",
    "/tmp",
    "--tmpfs",
    "/run",
    "--perms",
    "0700",
    "--dir",
    runtimeDirectory,
    ...(identity.home === "/" ? [] : ["--dir", identity.home]),
    "--ro-bind",
    host.bin,
    guest.bin,
    "--ro-bind",
    host.sbin,
    guest.sbin,
    "--bind",
    `${host.instance}/portal`,
    `${guest.instance}/portal`,
    "--ro-bind",
    `${host.instance}/bashrc`,
    `${guest.instance}/bashrc`,
    ...request.binds.flatMap(bindOption),
    "--clearenv",
    ...Object.entries(request.environment).flatMap(([name, value]) => ["--setenv", name, value]),
    "--",
    `${guest.bin}/fim`,
    "guest",
    ...(capabilities.length === 0 ? [] : ["--capabilities", identity.uid === 0 ? "held" : "none"]),
    "--portal",
    `${guest.instance}/portal`,
    ...request.directories.flatMap((directory) => ["--directory", directory]),
    "--"
  ]
}
