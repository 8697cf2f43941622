/** What can be taken from a sandbox, to show that an attack works without it. */
import type { Filter, RunRequest } from "../../src/mount/Instance.ts"

export interface Weakness {
  /** Options of bubblewrap that are left out, with their words. */
  readonly without?: ReadonlyArray<string>
  /** Options that are put behind all others. */
  readonly with?: ReadonlyArray<string>
  /** Whether what is bound can be written to. */
  readonly writable?: boolean
  /** Whether the guest keeps the capabilities that it begins with. */
  readonly powerful?: boolean
  /** Whether every system call is allowed. */
  readonly unfiltered?: boolean
  /** A script of the host's shell that runs outside of the sandbox, in the holder's namespaces, and goes on with `"$@"`. */
  readonly before?: string
  /** A script that takes the place of the sandbox: `$1` is the merged root, and the words of the program follow. */
  readonly instead?: string
}

const path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH; "

const allowAll: Filter = [[0x06, 0, 0, 0x7fff_0000]]

/** Options of bubblewrap, each with its words. */
const parse = (words: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const options: Array<ReadonlyArray<string>> = []
  for (const word of words) {
    if (word.startsWith("--")) options.push([word])
    else options.push([...options.pop() ?? [], word])
  }
  return options
}

const rootOf = (options: ReadonlyArray<ReadonlyArray<string>>): string =>
  options.find(([option, , target]) => option === "--bind" && target === "/")?.[1] ?? ""

/** What runs a sandbox with a weakness. */
export const apply = (weakness: Weakness, request: RunRequest): RunRequest => {
  const options = parse(request.options)
  const kept = options
    .filter(([option = ""]) => weakness.without?.includes(option) !== true)
    .flat()
    .map((word) => (weakness.writable === true && word.startsWith("--ro-bind") ? word.replace("--ro-", "--") : word))
  const begin = request.guest.indexOf("--") + 1
  const guest = request.guest.map((
    word,
    index
  ) => (weakness.powerful === true && index < begin && word === "none" ? "held" : word))
  // As the first process of the guest, it finds its standard streams elsewhere.
  const started = "echo '{\"exit-code\": 0}' >&3; exec 3>&- 4>&- 5>&- 6>&- 7>&- <&8 >&9 2>&10 8>&- 9>&- 10>&-; "
  const argv = weakness.instead !== undefined
    ? ["/bin/bash", "-euc", path + started + weakness.instead, "sh", rootOf(options), ...request.guest.slice(begin)]
    : weakness.before !== undefined
    ? ["/bin/sh", "-euc", `${path}${weakness.before}\nexec "$@"`, "sh", ...request.argv]
    : request.argv
  return {
    argv,
    options: [...kept, ...weakness.with ?? []],
    guest,
    filter: weakness.unfiltered === true ? allowAll : request.filter,
    // A script in the place of the sandbox has what the holder has.
    about: request.about,
    privateUsers: request.privateUsers && weakness.instead === undefined
  }
}
