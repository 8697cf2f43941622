/** Another local user, who prepares what a victim then meets. */
import { execFileSync } from "node:child_process"
import { chmodSync, chownSync, linkSync, mkdirSync } from "node:fs"
import type { Place } from "./Place.ts"
import type { User } from "./Users.ts"

/** A number that no user of the host has, and that is not the one of `ordinary`. */
const otherId = 61_299

/** Someone with an account on the same machine. */
export const other: User = {
  name: "another user",
  uid: otherId,
  gid: otherId,
  command: (words) => ["setpriv", `--reuid=${otherId}`, `--regid=${otherId}`, "--clear-groups", ...words]
}

/** Runs a script of the shell as the other user; what it prints. Variables are its arguments, by name. */
export const asOther = (script: string, variables: Readonly<Record<string, string>> = {}): string => {
  const [program = "", ...words] = other.command(["sh", "-euc", script], "/")
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/", ...variables }
  return execFileSync(program, words, { env, encoding: "utf8" })
}

/** A directory in which everybody may make names, as `/tmp`, with the image of a place in it. */
export const shared = (
  app: Place,
  owner: number = app.user.uid
): { readonly directory: string; readonly image: string } => {
  const directory = `${app.directory}/shared`
  mkdirSync(directory)
  chownSync(directory, 0, 0)
  chmodSync(directory, 0o1777)
  const image = `${directory}/app.flatimage`
  linkSync(app.image, image)
  if (owner !== app.user.uid) chownSync(image, owner, owner)
  return { directory, image }
}
