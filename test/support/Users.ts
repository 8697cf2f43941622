/** Who runs an image: root, and a user without any rights. */
import { statSync } from "node:fs"
import { isRoot } from "./Needs.ts"

export interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Puts words in front of a command so that this user runs it. `directory` is the test's own. */
  readonly command: (words: ReadonlyArray<string>, directory: string) => ReadonlyArray<string>
}

/** A number that no user of the host has. */
const strangerId = 61_234

const anyoneMayUseFuse = (): boolean => (statSync("/dev/fuse").mode & 0o006) === 0o006

/** Binds a node that is for all over `/dev/fuse`, seen by nobody else, and goes on with the words. */
const withFuse = (words: ReadonlyArray<string>, directory: string): ReadonlyArray<string> => {
  const node = `${directory}/fuse`
  const make = "node=$1; shift; mknod -m 0666 \"$node\" c 10 229 2> /dev/null"
  const bind = `${make}; mount --bind "$node" /dev/fuse && exec "$@"`
  return ["unshare", "--mount", "--propagation", "private", "sh", "-c", bind, "sh", node, ...words]
}

/** A program that starts every image of the tests, with words of its own: for runs of all tests in an unusual place. */
const inFront = (process.env["TEST_IN_FRONT"] ?? "").split(" ").filter((word) => word !== "")

/** Programs on Node are no images, and Node cannot start where a filter refuses `clone3` with EPERM. */
const frontOf = ([program = ""]: ReadonlyArray<string>): ReadonlyArray<string> =>
  program.endsWith("/node") || program.endsWith("/bin/flatimage") ? [] : inFront

const rootUser: User = { name: "root", uid: 0, gid: 0, command: (words) => [...frontOf(words), ...words] }

const stranger: User = {
  name: "an ordinary user",
  uid: strangerId,
  gid: strangerId,
  command: (words, directory) => {
    const demoted = ["setpriv", `--reuid=${strangerId}`, `--regid=${strangerId}`, "--clear-groups", ...words]
    return [...frontOf(words), ...(anyoneMayUseFuse() ? demoted : withFuse(demoted, directory))]
  }
}

const caller: User = {
  name: "an ordinary user",
  uid: process.geteuid?.() ?? 0,
  gid: process.getegid?.() ?? 0,
  command: (words) => [...inFront, ...words]
}

/** A user without rights: a stranger when the tests run as root, else whoever runs them. */
export const ordinary: User = isRoot ? stranger : caller

/** Everyone that an image has to work for. */
export const users: ReadonlyArray<User> = isRoot ? [rootUser, ordinary] : [ordinary]

/** The user who runs the tests. */
export const self: User = isRoot ? rootUser : ordinary
