/** The kernel's rule for programs of arm64, and the id maps of a user namespace. */

/** The first bytes of each program: 64 bits, little endian, an executable or a shared object, machine 183. */
const magic = "\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00"

/**
 * The bits that are compared: not those of the OS field and the padding (an image has its mark there), nor the last bit of
 * the type.
 */
const mask = "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xfe\\xff\\xff\\xff"

/**
 * The rule in the kernel's format. F opens the interpreter at once, so that it is found in any root directory. P keeps the
 * program's own name as its first argument.
 */
export const registration = (interpreter: string): string => `:flatimage-aarch64:M::${magic}:${mask}:${interpreter}:FP`

/** Whether a rule, given by its file of binfmt_misc, runs programs of arm64 in any root directory. */
export const handles = (description: string): boolean =>
  /^enabled$/m.test(description) && /^flags: \w*F/m.test(description) &&
  /^magic 7f454c460201\w{20}(02|03)00b700$/m.test(description)

/** Arguments of `fim emulate`: lines of `/proc/PID/uid_map`, separated by commas. */
export interface IdMaps {
  readonly users: string
  readonly groups: string
}

/**
 * A map in which every id is mapped to itself.
 *
 * @param map the content of `/proc/self/uid_map`
 */
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
 * Maps the user to root of a namespace, and the ids of `/etc/subuid` and `/etc/subgid` to its other users and groups.
 *
 * @returns `undefined` if there are too few ids for a tree of Debian
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
