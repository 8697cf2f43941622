/** Explains why a host refuses namespaces to an ordinary user, and how to allow them. Loaded only after a refusal. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"

/** Settings of the host; `undefined` where it has no such file. */
export interface NamespaceFacts {
  /** `kernel.apparmor_restrict_unprivileged_userns`, on Ubuntu since 23.10. */
  readonly restrictedByAppArmor: string | undefined
  /** `kernel.unprivileged_userns_clone`, on Debian and its descendants. */
  readonly clone: string | undefined
  /** `user.max_user_namespaces`. */
  readonly most: string | undefined
  /** `/proc/self/status`. */
  readonly status: string | undefined
}

/** The next fallback: see "Where the host lacks something" in docs/boot.md. */
const instead = "; set-user-id fusermount3 and bwrap of the host, where both are installed, take their place"

/**
 * Explains a refusal.
 *
 * @param facts settings of the host
 * @param said the janitor's message, returned if the facts explain nothing
 * @returns a sentence without a full stop
 */
export const refusalOf = (facts: NamespaceFacts, said: string): string => {
  const [restricted, clone, most] = [facts.restrictedByAppArmor, facts.clone, facts.most].map((text) => text?.trim())
  if (most === "0") {
    return "this host allows no user namespaces, which the sandbox is made of: 'user.max_user_namespaces' is 0;"
      + " root can set it to more, or start the image"
      + instead
  }
  if (clone === "0") {
    return "this host keeps user namespaces, which the sandbox is made of, to root: 'kernel.unprivileged_userns_clone' is 0;"
      + " root can allow them with 'sysctl -w kernel.unprivileged_userns_clone=1', or start the image"
      + instead
  }
  if (restricted === "1") {
    return "this host's AppArmor keeps user namespaces, which the sandbox is made of, to programs that have a profile;"
      + " 'fim-help apparmor' says how to give it one"
  }
  if (/^Seccomp:\s*2$/m.test(facts.status ?? "")) {
    return "a filter of system calls around us forbids user namespaces, which the sandbox is made of:"
      + " start the image outside of this container, or allow it to make them"
  }
  return said
}

/**
 * Reads the host's settings to explain a refusal of namespaces.
 *
 * @param fs the file system to read from
 * @param said the janitor's message
 * @returns the explanation, or `said` unchanged if it is not about namespaces
 */
export const explain = (fs: FileSystem.FileSystem, said: string): Effect.Effect<string> => {
  if (!said.includes("namespace")) return Effect.succeed(said)
  const read = (path: string) => Effect.orElseSucceed(fs.readFileString(path), () => undefined)
  return Effect.map(
    Effect.all({
      restrictedByAppArmor: read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
      clone: read("/proc/sys/kernel/unprivileged_userns_clone"),
      most: read("/proc/sys/user/max_user_namespaces"),
      status: read("/proc/self/status")
    }),
    (facts) => refusalOf(facts, said)
  )
}
