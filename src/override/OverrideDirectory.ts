/** Where a user's overrides are. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { Host } from "../relocate/Host.ts"
import { registeredHome } from "../relocate/TrustedDirectory.ts"

/**
 * The directory of the caller's overrides. `HOME` and `XDG_CONFIG_HOME` count if they are the caller's own: after `sudo` or `su`
 * they may be another user's, and then it is below the home directory that the host's user database has.
 *
 * @returns an absolute path; `undefined` if there is no home directory
 */
export const overrideDirectory = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const { environment, uid } = yield* Host
  const chosen = environment["XDG_CONFIG_HOME"]
  const [base, below] = chosen?.startsWith("/") === true ? [chosen, ""] : [environment["HOME"], "/.config"]
  if (base?.startsWith("/") === true) {
    const found = yield* Effect.option(fs.stat(base))
    const isOwn = ({ type, uid: owner }: FileSystem.File.Info) =>
      type === "Directory" && Option.getOrUndefined(owner) === uid
    // A config home that does not exist yet is made below a directory of the caller, or cannot be made.
    if (Option.isNone(found) || isOwn(found.value)) {
      return `${base}${below}/flatimage/overrides`
    }
  }
  const home = yield* registeredHome(uid)
  return home === undefined ? undefined : `${home}/.config/flatimage/overrides`
})
