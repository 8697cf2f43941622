/** The namespaces that a guest has of its own, as settings store them. Pure. */
import { type Namespace, namespaceNames, type Unshare } from "./SettingsDefaults.ts"

/** The namespaces of a guest whose image stores none. */
const usual: ReadonlySet<Namespace> = new Set(["ipc", "uts", "cgroup"])

type Stored = ReadonlyArray<Unshare>

/** The stored namespaces, without those that `default` stands for. */
export const named = (stored: Stored): ReadonlyArray<Namespace> =>
  namespaceNames.filter((name) => stored.includes(name))

/** The namespaces that a guest gets. */
export const inForce = (stored: Stored): ReadonlyArray<Namespace> =>
  namespaceNames.filter((name) =>
    stored.includes(name) || (usual.has(name) && (stored.length === 0 || stored.includes("default")))
  )

/** Adds namespaces and removes none: if none were stored, those of the default stay. */
export const added = (stored: Stored, more: ReadonlyArray<Namespace>): Stored => [
  ...namespaceNames.filter((name) => stored.includes(name) || more.includes(name)),
  ...(stored.length === 0 || stored.includes("default") ? ["default" as const] : [])
]

/** Removes namespaces, also those of the default. */
export const removed = (stored: Stored, less: ReadonlyArray<Namespace>): Stored => {
  const left = (from: Stored) => from.filter((name) => name === "default" || !less.includes(name))
  if (!stored.includes("default")) return left(stored)
  if (less.some((name) => usual.has(name))) return left(inForce(stored))
  const some = left(stored)
  return named(some).length === 0 ? [] : some
}
