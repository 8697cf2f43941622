/** What can be taken from a sandbox, to show that an attack works without it. */
import type { Filter, RunOptions } from "../../src/mount/Janitor.ts"

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

/** A command line of bubblewrap: what starts it, its options with their words, and the guest's own words. */
const parse = (argv: ReadonlyArray<string>) => {
  const begin = argv.indexOf("--json-status-fd")
  const end = argv.indexOf("--", begin)
  const options: Array<ReadonlyArray<string>> = []
  for (const word of argv.slice(begin, end)) {
    if (word.startsWith("--")) options.push([word])
    else options.push([...options.pop() ?? [], word])
  }
  return { program: argv.slice(0, begin), options, guest: argv.slice(end) }
}

const rootOf = (options: ReadonlyArray<ReadonlyArray<string>>): string =>
  options.find(([option, , target]) => option === "--bind" && target === "/")?.[1] ?? ""

/** What runs a sandbox with a weakness: its command line, and the rest. */
export const apply = (
  weakness: Weakness,
  argv: ReadonlyArray<string>,
  { filter, privateUsers }: RunOptions
): readonly [argv: ReadonlyArray<string>, options: RunOptions] => {
  const { guest, options, program } = parse(argv)
  const kept = options
    .filter(([option = ""]) => weakness.without?.includes(option) !== true)
    .flat()
    .map((word) => (weakness.writable === true && word.startsWith("--ro-bind") ? word.replace("--ro-", "--") : word))
  const words = weakness.powerful === true ? guest.map((word) => (word === "none" ? "held" : word)) : guest
  const sandbox = [...program, ...kept, ...weakness.with ?? [], ...words]
  const started = "echo '{\"exit-code\": 0}' >&3; exec 3>&- 4>&-; "
  const weakened = weakness.instead !== undefined
    ? [
      "/bin/sh",
      "-euc",
      path + started + weakness.instead,
      "sh",
      rootOf(options),
      ...guest.slice(guest.lastIndexOf("--") + 1)
    ]
    : weakness.before !== undefined
    ? ["/bin/sh", "-euc", `${path}${weakness.before}\nexec "$@"`, "sh", ...sandbox]
    : sandbox
  return [weakened, {
    filter: weakness.unfiltered === true ? allowAll : filter,
    // A script in the place of the sandbox has what the holder has.
    privateUsers: privateUsers && weakness.instead === undefined
  }]
}
