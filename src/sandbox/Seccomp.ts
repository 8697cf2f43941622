/**
 * The system calls that a guest may not make. Namespaces decide what it can reach; the filter removes the parts of the kernel
 * that no application needs and that often have vulnerabilities, and what namespaces do not cover: the kernel's keyrings, the input
 * of a terminal, sockets that ignore network namespaces.
 *
 * The list follows what Flatpak and container runtimes refuse. 32-bit programs are filtered by their own numbers, as games
 * need them; those of the x32 kind get ENOSYS, as on most kernels.
 */
import {
  answer,
  answers,
  load,
  places,
  type Program,
  whenAnyBit,
  whenAtLeast,
  whenEqual,
  whenNoneOf,
  whenOneOf
} from "./FilterProgram.ts"
import { type Architecture, auditNumbers, numberOf, type SystemCall, x32Bit } from "./SystemCalls.ts"

/** What can be allowed although it is refused, or answered for the kernel, unless asked for; see `docs/security.md`. */
export type Allowance = "cma" | "ids" | "keyring" | "multiarch" | "numa" | "ptrace" | "sockets" | "userns"

/** A rule's condition on the lower 32 bits of an argument; the kernel itself reads no other bits of those named below. */
export type Condition =
  & { readonly argument: 0 | 1 | 2 | 3 | 4 | 5 }
  & (
    | { readonly anyBit: number }
    | { readonly oneOf: ReadonlyArray<number> }
    | { readonly noneOf: ReadonlyArray<number> }
  )

export interface Rule {
  readonly calls: ReadonlyArray<SystemCall>
  /** What they fail with. */
  readonly error: number
  readonly when?: Condition
  /** A second condition, which has to hold too. */
  readonly and?: Condition
  readonly unless?: Allowance
  /** What allows some of the calls. */
  readonly partly?: { readonly allowance: Allowance; readonly calls: ReadonlyArray<SystemCall> }
}

const EPERM = 1
const EINVAL = 22
const ENOSYS = 38
const EAFNOSUPPORT = 97

/** Every `CLONE_NEW…` flag; that of time, 0x80, means something else to clone, which cannot make those. */
const newNamespaces = 0x7e02_0000
const newTime = 0x80

/** TIOCSTI types into the terminal, and TIOCLINUX pastes into a virtual console. */
const typing = [0x5412, 0x541c]

/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: these have namespaces, unlike for example AF_VSOCK. */
const families = [1, 2, 10, 16]

/** PER_LINUX and PER_LINUX32, each with UNAME26 and without, and the question which it is. Others switch off protections. */
const personalities = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff]

/** KCMP_FILE, by which graphics drivers see that two descriptors are of one device. */
const compareFiles = 0

/** The caller's own process group, which in a terminal has processes of the host too. */
const ownGroup = 0
const SIGSTOP = 19
/** PIDFD_SIGNAL_PROCESS_GROUP; kernels before 6.9 answer EINVAL to it. */
const toGroup = 4

/** SYS_SOCKET of the one call that 32-bit x86 programs make for all of them. Its family is in memory, out of reach here. */
const callForSocket = 1

/** All that is refused. Programs take ENOSYS as a sign to try an older call, so new interfaces give that. */
export const rules: ReadonlyArray<Rule> = [
  { calls: ["add_key", "keyctl", "request_key"], error: EPERM, unless: "keyring" },
  { calls: ["kexec_file_load", "kexec_load", "reboot"], error: EPERM },
  { calls: ["create_module", "delete_module", "finit_module", "init_module", "query_module"], error: EPERM },
  { calls: ["bpf", "lookup_dcookie", "perf_event_open", "userfaultfd"], error: EPERM },
  { calls: ["acct", "nfsservctl", "quotactl", "quotactl_fd", "swapoff", "swapon", "sysfs", "ustat"], error: EPERM },
  { calls: ["_sysctl", "ioperm", "iopl", "syslog", "uselib", "vhangup", "vm86", "vm86old"], error: EPERM },
  { calls: ["clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64"], error: EPERM },
  { calls: ["settimeofday", "stime"], error: EPERM },
  { calls: ["get_mempolicy", "mbind", "migrate_pages", "move_pages"], error: EPERM, unless: "numa" },
  { calls: ["set_mempolicy", "set_mempolicy_home_node"], error: EPERM, unless: "numa" },
  { calls: ["fanotify_init", "open_by_handle_at"], error: EPERM },
  { calls: ["io_uring_enter", "io_uring_register", "io_uring_setup"], error: ENOSYS },
  { calls: ["modify_ldt"], error: EPERM, unless: "multiarch" },
  { calls: ["personality"], error: EPERM, when: { argument: 0, noneOf: personalities }, unless: "ptrace" },
  { calls: ["kcmp"], error: EPERM, when: { argument: 2, noneOf: [compareFiles] }, unless: "ptrace" },
  {
    calls: ["kill"],
    error: EPERM,
    when: { argument: 0, oneOf: [ownGroup] },
    and: { argument: 1, oneOf: [SIGSTOP] }
  },
  { calls: ["pidfd_send_signal"], error: EINVAL, when: { argument: 3, anyBit: toGroup } },
  { calls: ["ioctl"], error: EPERM, when: { argument: 1, oneOf: typing } },
  { calls: ["socket", "socketpair"], error: EAFNOSUPPORT, when: { argument: 0, noneOf: families } },
  {
    calls: ["socketcall"],
    error: EAFNOSUPPORT,
    when: { argument: 0, oneOf: [callForSocket] },
    unless: "sockets"
  },
  {
    calls: ["pidfd_getfd", "process_vm_readv", "process_vm_writev", "ptrace"],
    error: EPERM,
    unless: "ptrace",
    partly: { allowance: "cma", calls: ["process_vm_readv", "process_vm_writev"] }
  },
  { calls: ["mount", "pivot_root", "setns", "umount", "umount2"], error: EPERM, unless: "userns" },
  { calls: ["clone"], error: EPERM, when: { argument: 0, anyBit: newNamespaces }, unless: "userns" },
  { calls: ["unshare"], error: EPERM, when: { argument: 0, anyBit: newNamespaces | newTime }, unless: "userns" },
  // Its flags are in memory, which no filter can read.
  { calls: ["clone3"], error: ENOSYS, unless: "userns" },
  { calls: ["fsconfig", "fsmount", "fsopen", "fspick", "mount_setattr"], error: ENOSYS, unless: "userns" },
  { calls: ["move_mount", "open_tree", "open_tree_attr"], error: ENOSYS, unless: "userns" }
]

const refuse = (rule: Rule): Program => answer(answers.error(rule.error))

const where = (condition: Condition, body: Program): Program => [
  ...load(places.argument(condition.argument)),
  ...("anyBit" in condition
    ? whenAnyBit(condition.anyBit, body)
    : "oneOf" in condition
    ? whenOneOf(condition.oneOf, body)
    : whenNoneOf(condition.noneOf, body))
]

const tested = (rule: Rule, condition: Condition): Program => [
  ...where(condition, rule.and === undefined ? refuse(rule) : where(rule.and, refuse(rule))),
  ...load(places.number)
]

/** What the calls of one architecture get, whose number is in the accumulator for each rule. */
const section = (architecture: Architecture, applied: ReadonlyArray<Rule>): Program => {
  const numbers = (calls: ReadonlyArray<SystemCall>) =>
    calls.flatMap((call) => {
      const number = numberOf(call, architecture)
      return number === undefined ? [] : [number]
    })
  return [
    ...load(places.number),
    ...(architecture === "x86_64" ? whenAtLeast(x32Bit, answer(answers.error(ENOSYS))) : []),
    ...applied.flatMap((rule) =>
      whenOneOf(numbers(rule.calls), rule.when === undefined ? refuse(rule) : tested(rule, rule.when))
    ),
    ...answer(answers.allow)
  ]
}

/** The architectures of the programs that a machine runs, its own first, by its name in Node. */
export const architecturesOf = (machine: string): ReadonlyArray<Architecture> =>
  machine === "arm64" ? ["aarch64", "arm"] : ["x86_64", "i386"]

/** The filter for a machine that refuses what the rules say. A call of any other architecture ends its process. */
export const filterOf = (architectures: ReadonlyArray<Architecture>, applied: ReadonlyArray<Rule>): Program => [
  ...load(places.architecture),
  ...architectures.flatMap((architecture) => whenEqual(auditNumbers[architecture], section(architecture, applied))),
  ...answer(answers.kill)
]

/** A rule without those of its calls that are allowed by themselves. */
const without = (rule: Rule, allowed: ReadonlySet<Allowance>): Rule => {
  const { partly } = rule
  if (partly === undefined || !allowed.has(partly.allowance)) return rule
  return { ...rule, calls: rule.calls.filter((call) => !partly.calls.includes(call)) }
}

/** The rules, by default all, that remain when some things are allowed. */
export const rulesWithout = (allowed: ReadonlySet<Allowance>, some: ReadonlyArray<Rule> = rules): ReadonlyArray<Rule> =>
  some.filter(({ unless }) => unless === undefined || !allowed.has(unless)).map((rule) => without(rule, allowed))
