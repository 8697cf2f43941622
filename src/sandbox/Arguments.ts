import type { Binding, ContainerUser } from "../image/Settings.ts"
import type { Namespace } from "../image/SettingsDefaults.ts"
import type { Directories } from "../relocate/Directories.ts"
import type { Identity } from "./Identity.ts"

/** A part of the host for the guest, in bubblewrap's terms. `optional` ones are skipped if they are missing. */
export interface Bind {
  readonly type: Binding["type"]
  readonly source: string
  readonly target: string
  readonly optional: boolean
}

/** Where bubblewrap mounts something of its own, so that what the image has there is not seen. */
export const covered: ReadonlyArray<string> = ["/dev", "/proc", "/run", "/tmp"]

/** Directories of the root that every guest has. */
export const sandboxDirectories: ReadonlyArray<string> = [...covered, "/sys"]

/** Everything that a sandbox consists of. Nothing here reads the host: equal requests give equal command lines. */
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
  /** What hides parts of the kernel from a guest whose root is the host's, as options; see `KernelFiles.ts`. */
  readonly kernel: ReadonlyArray<string>
  /** What is bound for permissions and settings, and the guest's own files in `/etc`. */
  readonly binds: ReadonlyArray<Bind>
  /** Where the binds show directories of ours, outermost first: an empty directory is put there. */
  readonly hidden: ReadonlyArray<string>
  /** What we bind below our own directories of the guest, over all else. */
  readonly own: ReadonlyArray<Bind>
  /** The user's home, where it can be made. */
  readonly home: string | undefined
  /** The working directory, where it is to be made. */
  readonly directory: string | undefined
  /** The user that the program becomes in a guest of root, with its groups. */
  readonly user: Pick<ContainerUser, "uid" | "gid" | "groups"> | undefined
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

/** Whether the guest is in the host's network: it may be, and does not have one for itself all the same. */
export const sharesNetwork = (request: Pick<SandboxRequest, "namespaces" | "network">): boolean =>
  request.network && !request.namespaces.has("net")

const bindOption = (bind: Bind): ReadonlyArray<string> => {
  const option = { ro: "--ro-bind", rw: "--bind", dev: "--dev-bind" }[bind.type]
  return [bind.optional ? `${option}-try` : option, bind.source, bind.target]
}

/** What runs a sandbox. No value of it is an argument of a process: other users of the host can read those. */
export interface SandboxArguments {
  /** bubblewrap's options, in the order in which it carries them out: root first, then what lies on top of it. */
  readonly options: ReadonlyArray<string>
  /** The arguments of `fim guest`, up to the program and its arguments. */
  readonly guest: ReadonlyArray<string>
}

/** The most options and values of options that bubblewrap accepts, those of its command line included. */
export const optionLimit = 9000

/** Descriptors that the janitor passes to bubblewrap, as `janitor/run.rs` describes. */
const descriptors = { status: "3", filter: "5", options: "6" } as const

/** bubblewrap's own command line, which is the same for every run of an image: it reads the rest from a descriptor. */
export const commandLine = (bwrap: string, guest: Directories): ReadonlyArray<string> => [
  bwrap,
  "--args",
  descriptors.options,
  "--",
  `${guest.bin}/fim`,
  "guest"
]

/** The arguments of bubblewrap and the first process of the guest for a request. */
export const sandboxArguments = (request: SandboxRequest): SandboxArguments => {
  const { guest, host, identity, user } = request
  const isRoot = identity.uid === 0 || user !== undefined
  const capabilities = isRoot ? rootCapabilities : request.ownUsers ? toBoundCapabilities : []
  const runtimeDirectory = `/run/user/${identity.uid}`
  const options = [
    "--json-status-fd",
    descriptors.status,
    "--seccomp",
    descriptors.filter,
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
    ...request.kernel,
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
    ...(request.home === undefined ? [] : ["--dir", request.home]),
    ...(request.directory === undefined ? [] : ["--dir", request.directory]),
    ...request.binds.flatMap(bindOption),
    // Over what the binds show of our own directories. They are writable until ours is in its place.
    ...request.hidden.flatMap((path) => ["--perms", "0555", "--tmpfs", path]),
    "--ro-bind",
    host.bin,
    guest.bin,
    "--ro-bind",
    host.sbin,
    guest.sbin,
    "--bind",
    `${host.instance}/calls`,
    `${guest.instance}/portal`,
    "--ro-bind",
    `${host.instance}/bashrc`,
    `${guest.instance}/bashrc`,
    ...request.own.flatMap(bindOption),
    ...request.hidden.flatMap((path) => ["--remount-ro", path]),
    "--clearenv"
  ]
  return {
    options,
    guest: [
      ...(capabilities.length === 0 ? [] : ["--capabilities", isRoot ? "held" : "none"]),
      ...(user === undefined ? [] : ["--user", [user.uid, user.gid, ...user.groups.map(({ gid }) => gid)].join(":")]),
      "--portal",
      `${guest.instance}/portal`,
      ...request.directories.flatMap((directory) => ["--directory", directory]),
      ...Object.entries(request.environment).flatMap(([name, value]) => ["--variable", `${name}=${value}`]),
      "--"
    ]
  }
}
