import * as Result from "effect/Result"
import { type BuildError, buildError } from "./BuildError.ts"

/** A member of an archive. `type` is the first letter of `tar --list --verbose`. */
export interface Member {
  readonly type: string
  readonly name: string
  /** Target of a symbolic link (`l`) or a hard link (`h`). */
  readonly target: string | undefined
}

const escapes: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v"
}

const unquote = (text: string): string =>
  text.replaceAll(
    /\\([0-7]{3}|.)/g,
    (_, code: string) => code.length === 3 ? String.fromCharCode(parseInt(code, 8)) : escapes[code] ?? code
  )

const quoted = String.raw`"((?:[^"\\]|\\.)*)"`
const line = new RegExp(String.raw`^([a-zA-Z-])\S+ [^"]*?${quoted}(?: (?:->|link to) ${quoted})?$`)

/** Parses a line of `tar --list --verbose --numeric-owner --quoting-style=c`. Returns `undefined` for an unknown format. */
export const parseMember = (text: string): Member | undefined => {
  const match = line.exec(text)
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { type: match[1], name: unquote(match[2]), target: match[3] === undefined ? undefined : unquote(match[3]) }
}

const partsOf = (path: string): ReadonlyArray<string> => path.split("/").filter((part) => part !== "" && part !== ".")

/**
 * The member that tar unpacks after it has removed the first `count` components of its name; `undefined` if nothing is
 * left. Targets of hard links are names of the archive, so they are shortened too.
 */
export const stripMember = (member: Member, count: number): Member | undefined => {
  if (count === 0) return member
  // As tar counts: "." is a component too.
  const cut = (path: string) => path.split(/\/+/).slice(count).join("/")
  const name = cut(member.name)
  // An absolute name, or one with "..", stays unchanged and is rejected later.
  if (member.name.startsWith("/") || partsOf(member.name).includes("..")) return member
  if (name === "") return undefined
  return {
    ...member,
    name,
    target: member.type === "h" && member.target !== undefined ? cut(member.target) : member.target
  }
}

/** The kernel's limit. */
const maxLinks = 40

/**
 * Resolves a path through the symbolic links that have been unpacked so far, as the program that unpacks the tree does: absolute
 * targets lead to the host's root.
 *
 * @returns the components of the result; `undefined` if it is outside the tree, or unknown
 */
const follow = (
  links: ReadonlyMap<string, string>,
  path: ReadonlyArray<string>
): ReadonlyArray<string> | undefined => {
  let left = path
  let here: ReadonlyArray<string> = []
  let followed = 0
  while (left.length > 0) {
    const [part = "", ...rest] = left
    left = rest
    if (part === "..") {
      if (here.length === 0) return undefined
      here = here.slice(0, -1)
      continue
    }
    const target = links.get([...here, part].join("/"))
    if (target === undefined) {
      here = [...here, part]
      continue
    }
    if (++followed > maxLinks) return undefined
    if (target.startsWith("/")) return undefined
    left = [...partsOf(target), ...rest]
  }
  return here
}

/** The known state of a tree into which archives are unpacked, one after the other. */
export interface Unpacking {
  /** Symbolic links and their targets. */
  readonly links: Map<string, string>
  readonly directories: Set<string>
}

/** The state of an empty tree. */
export const unpacking = (): Unpacking => ({ links: new Map(), directories: new Set() })

/**
 * Checks the members of an archive, in the order of unpacking. Symbolic links may have any target, because in the image all lead
 * into its own root; but nothing may be unpacked through them. Fails with `BuildError` at the first
 * member that could write outside the directory.
 */
export const checkMembers = (
  archive: string,
  members: Iterable<Member>,
  { directories, links }: Unpacking = unpacking()
): Result.Result<number, BuildError> => {
  const refuse = (member: Member, detail: string) =>
    Result.fail(buildError("UnsafeArchive", { archive, member: JSON.stringify(member.name), detail }))
  let count = 0
  for (const member of members) {
    count++
    const parts = partsOf(member.name)
    if (member.name.startsWith("/")) return refuse(member, "has an absolute name")
    if (parts.includes("..")) return refuse(member, "has \"..\" in its name")
    if (parts.length === 0 && member.type !== "d") return refuse(member, "takes the place of the tree itself")
    // A directory may replace a link to a directory: later members would then be written to the link's target.
    const place = follow(links, member.type === "d" ? parts : parts.slice(0, -1))
    if (place === undefined) {
      return refuse(member, "would be written through a symbolic link that leads out of the tree")
    }
    const target = member.target ?? ""
    const before = links.get([...place, parts.at(-1)].join("/"))
    if (before !== undefined && member.type !== "d" && (member.type !== "l" || before !== target)) {
      // Some programs replace the link, others write through it.
      return refuse(member, "takes the place of a symbolic link")
    }
    const own = member.type === "d" ? place : [...place, parts.at(-1)]
    if (member.type !== "d" && directories.has(own.join("/"))) {
      // Members that were unpacked into the directory would be lost, and later ones would go to the link's target.
      return refuse(member, "takes the place of a directory")
    }
    for (let length = member.type === "d" ? own.length : place.length; length > 0; length--) {
      const directory = own.slice(0, length).join("/")
      if (directories.has(directory)) break
      directories.add(directory)
    }
    if (member.type === "l") {
      // Wherever it leads, in the guest it stays in the tree: the parent of `/` is `/`. Only nothing may be unpacked through it.
      links.set([...place, parts.at(-1)].join("/"), target)
    } else if (member.type === "h") {
      const from = partsOf(target)
      if (target.startsWith("/") || from.includes("..") || follow(links, from.slice(0, -1)) === undefined) {
        return refuse(member, "is a link out of the tree")
      }
    } else if ((member.type === "b" || member.type === "c") && parts[0] !== "dev") {
      return refuse(member, "is a device outside of /dev")
    } else if (!"-dbcpsCDVNMS".includes(member.type)) {
      return refuse(member, `has the unknown type ${member.type}`)
    }
  }
  return Result.succeed(count)
}
