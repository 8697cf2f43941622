/** The kernel's rule for programs of arm64, and the maps of users of a namespace. */

/** The first bytes of each program: 64 bits, little endian, an executable or a shared object, of the machine 183. */
const magic = "\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00"

/** Which bits of these count: not those of the system it is for and the unused ones (an image has its mark there), nor the last of the type. */
const mask = "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xfe\\xff\\xff\\xff"

/**
 * The rule as the kernel reads it. F opens the interpreter at once, so that it is found whatever the root directory is; P leaves the
 * program its own name as its first argument.
 */
export const registration = (interpreter: string): string => `:flatimage-aarch64:M::${magic}:${mask}:${interpreter}:FP`

/** Whether the description of a rule, a file of binfmt_misc, is one that runs programs of arm64 in any root directory. */
export const handles = (description: string): boolean =>
  /^enabled$/m.test(description) && /^flags: \w*F/m.test(description) &&
  /^magic 7f454c460201\w{20}(02|03)00b700$/m.test(description)

/** As `fim emulate` takes them: lines of `/proc/PID/uid_map` with commas in between. */
export interface IdMaps {
  readonly users: string
  readonly groups: string
}

/** A map in which everybody that there is has the same number. In: the content of `/proc/self/uid_map`. */
export const identityMap = (map: string): string =>
  map.trim().split("\n").map((line) => {
    const [inside = "0", , count = "1"] = line.trim().split(/\s+/)
    return `${inside} ${inside} ${count}`
  }).join(",")

/** How many users Debian has, up to nobody. */
const minimumUsers = 65_535

const rangeOf = (text: string, name: string, uid: number) => {
  for (const line of text.split("\n")) {
    const [who, start, count] = line.trim().split(":")
    if ((who === name || who === String(uid)) && Number(count) >= minimumUsers) return `1 ${start} ${count}`
  }
  return undefined
}

/**
 * Makes the user root of a namespace, with the users that `/etc/subuid` and the groups that `/etc/subgid` give it as the others.
 * Nothing if they are too few for a tree of Debian.
 */
export const userMaps = (
  user: { readonly name: string; readonly uid: number; readonly gid: number },
  subuid: string,
  subgid: string
): IdMaps | undefined => {
  const users = rangeOf(subuid, user.name, user.uid)
  const groups = rangeOf(subgid, user.name, user.uid)
  return users === undefined || groups === undefined
    ? undefined
    : { users: `0 ${user.uid} 1,${users}`, groups: `0 ${user.gid} 1,${groups}` }
}
