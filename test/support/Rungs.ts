/** Hosts on which a way to mount layers is missing, each seen by one command alone. */
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { inMounts } from "./Mounts.ts"
import type { Place } from "./Place.ts"

/** Ways to take `/dev/fuse` away, as scripts in which `$place` is the directory of the test. */
export const withoutFuse = {
  "no /dev/fuse": `
    mkdir -p "$place/dev"
    mount -t tmpfs tmpfs "$place/dev"
    for name in null zero full random urandom tty; do : > "$place/dev/$name"; mount --bind /dev/$name "$place/dev/$name"; done
    mount --rbind "$place/dev" /dev`,
  "a /dev/fuse that is another device": "mount --bind /dev/null /dev/fuse",
  "a /dev/fuse that is closed": `
    [ -e "$place/closed" ] || mknod -m 0 "$place/closed" c 10 229
    mount --bind "$place/closed" /dev/fuse`
}

/** The words that run the image of a place where a script has changed the mounts before. Only root can do this. */
export const where = (app: Place, script: string, words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { gid, uid } = app.user
  const demoted = uid === 0 ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"]
  return inMounts(`place='${app.directory}'; ${script}`, [...demoted, app.image, ...words])
}

/** A small file system, taken down with the scope. Root only. */
export const smallDisk = (directory: string, bytes: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      mkdirSync(directory)
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory])
      return directory
    }),
    () => Effect.sync(() => void execFileSync("umount", ["-l", directory]))
  )
