/** The namespaces that a guest gets for itself, as settings store them. Pure. */
import { type Namespace, namespaceNames, type Unshare } from "./SettingsDefaults.ts"

/** Those of a guest whose image stores none. */
const usual: ReadonlySet<Namespace> = new Set(["ipc", "uts", "cgroup"])

type Stored = ReadonlyArray<Unshare>

/** Those that were named, without the ones that `default` stands for. */
export const named = (stored: Stored): ReadonlyArray<Namespace> =>
  namespaceNames.filter((name) => stored.includes(name))

/** Those that a guest gets. */
export const inForce = (stored: Stored): ReadonlyArray<Namespace> =>
  namespaceNames.filter((name) =>
    stored.includes(name) || (usual.has(name) && (stored.length === 0 || stored.includes("default")))
  )

/** Adds some, and takes none away: where none were stored, those of the default stay. */
export const added = (stored: Stored, more: ReadonlyArray<Namespace>): Stored => [
  ...namespaceNames.filter((name) => stored.includes(name) || more.includes(name)),
  ...(stored.length === 0 || stored.includes("default") ? ["default" as const] : [])
]

/** Takes some away, also those that the default has given. */
export const removed = (stored: Stored, less: ReadonlyArray<Namespace>): Stored => {
  const left = (from: Stored) => from.filter((name) => name === "default" || !less.includes(name))
  if (!stored.includes("default")) return left(stored)
  if (less.some((name) => usual.has(name))) return left(inForce(stored))
  const some = left(stored)
  return named(some).length === 0 ? [] : some
}
