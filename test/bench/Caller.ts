import * as Effect from "effect/Effect"
import { chmodSync, chownSync, mkdirSync } from "node:fs"
import { type Command, succeeds } from "./Processes.ts"

const isRoot = process.getuid?.() === 0

/** Whoever starts the image, with directories of its own. */
export interface Caller {
  readonly name: "root" | "ordinary user"
  /** Absent when it is who runs the bench. */
  readonly ids: { readonly uid: number; readonly gid: number } | undefined
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
}

/** Owner of nothing on any system. */
const nobody = { uid: 65_534, gid: 65_534 }

const make = (name: Caller["name"], ids: Caller["ids"], work: string): Caller => {
  const directory = `${work}/${name.replace(" ", "-")}`
  mkdirSync(directory)
  if (ids !== undefined) chownSync(directory, ids.uid, ids.gid)
  chmodSync(directory, 0o755)
  return {
    name,
    ids,
    directory,
    environment: {
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: directory,
      TERM: "dumb",
      FIM_LINGER: "0",
      FIM_DIR_GLOBAL: `${directory}/global`,
      FIM_DIR_DATA: `${directory}/data`
    }
  }
}

/** A directory of the caller, made. */
export const directoryOf = (caller: Caller, name: string): string => {
  const path = `${caller.directory}/${name}`
  mkdirSync(path, { recursive: true })
  if (caller.ids !== undefined) chownSync(path, caller.ids.uid, caller.ids.gid)
  return path
}

/** A command as this caller runs it. */
export const as = (
  caller: Caller,
  argv: Command["argv"],
  environment: Readonly<Record<string, string>> = {}
): Command => ({
  argv,
  environment: { ...caller.environment, ...environment },
  ids: caller.ids,
  directory: caller.directory
})

/** Words that run a program in mount and process namespaces of its own: its mounts and processes end with it. */
export const isolated = (...words: ReadonlyArray<string>): Command["argv"] => [
  "unshare",
  ...(isRoot ? [] : ["--user", "--map-root-user"]),
  "--mount",
  "--pid",
  "--fork",
  "--kill-child",
  ...words
]

/** Whether the caller may do what an image needs. The answer is why not, if not. */
const hindrance = Effect.fnUntraced(function*(caller: Caller) {
  if (!(yield* succeeds(as(caller, ["test", "-r", "/dev/fuse", "-a", "-w", "/dev/fuse"])))) {
    return `the ${caller.name} may not use /dev/fuse here`
  }
  const hasRights = caller.ids === undefined && isRoot
  if (!hasRights && !(yield* succeeds(as(caller, ["unshare", "--user", "--map-root-user", "--mount", "true"])))) {
    return `the ${caller.name} may not make user namespaces here`
  }
  return undefined
})

/** Root and an ordinary user when the bench runs as root, else the user who runs it. In: the directory to work in. */
export const callers = Effect.fnUntraced(function*(work: string) {
  const all = process.getuid?.() === 0
    ? [make("root", undefined, work), make("ordinary user", nobody, work)]
    : [make("ordinary user", undefined, work)]
  const able: Array<Caller> = []
  const notes: Array<string> = []
  for (const caller of all) {
    const reason = yield* hindrance(caller)
    if (reason === undefined) able.push(caller)
    else notes.push(`Not measured: ${reason}.`)
  }
  return { callers: able, notes }
})
