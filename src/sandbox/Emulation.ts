/**
 * Root of an ordinary user is the only user of the guest: the kernel refuses it owners, ids and devices that it does not have, and
 * package managers stop there. So the filter returns success for these calls, and nothing is done.
 *
 * A filter has no state: later calls show the truth, that every file and process belongs to root.
 */
import type { Rule } from "./Seccomp.ts"

/** The error number of a call that does not fail: the kernel then returns 0 to its caller. */
const success = 0

/** S_IFCHR. Of the kinds that these calls can make only devices have this bit: S_IFBLK has it too. */
const device = 0o020000

/**
 * All that is answered without being done. Those that set ids of a file system are not here: they never fail, and say
 * which id there was before. Neither are attributes: a filter cannot see which one is meant.
 */
export const emulation: ReadonlyArray<Rule> = [
  { calls: ["chown", "fchown", "fchownat", "lchown"], error: success, unless: "ids" },
  { calls: ["chown32", "fchown32", "lchown32"], error: success, unless: "ids" },
  { calls: ["setgid", "setgroups", "setregid", "setresgid"], error: success, unless: "ids" },
  { calls: ["setgid32", "setgroups32", "setregid32", "setresgid32"], error: success, unless: "ids" },
  { calls: ["setresuid", "setreuid", "setuid"], error: success, unless: "ids" },
  { calls: ["setresuid32", "setreuid32", "setuid32"], error: success, unless: "ids" },
  { calls: ["capset"], error: success, unless: "ids" },
  { calls: ["mknod"], error: success, when: { argument: 1, anyBit: device }, unless: "ids" },
  { calls: ["mknodat"], error: success, when: { argument: 2, anyBit: device }, unless: "ids" }
]

/**
 * The settings file that apt reads first, if `APT_CONFIG` names it. apt changes to a user of its own to fetch, and checks whether
 * that worked: it would detect that it has not.
 */
export const aptSettings = "APT::Sandbox::User \"root\";\n"
