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

/** What a host has in place of user namespaces. Each is missing where it is not named. */
export type HostTool = "fusermount3" | "bwrap"

/**
 * The words that run the image of a place as an ordinary user on a host that refuses him user namespaces: in one of root's own,
 * in which there may be none below. Of the programs that need to be set-user-id only `tools` are there. Only root can do this.
 */
export const withoutNamespaces = (
  app: Place,
  tools: ReadonlyArray<HostTool>,
  words: ReadonlyArray<string>,
  program = app.image
): ReadonlyArray<string> => {
  const { gid, uid } = app.user
  const inner = `
    set -eu
    place='${app.directory}'
    echo 0 > /proc/sys/user/max_user_namespaces
    [ -e "$place/fuse" ] || exit 1
    mount --bind "$place/fuse" /dev/fuse
    mkdir -p "$place/bin"
    mount -t tmpfs -o mode=755 tmpfs "$place/bin"
    for tool in fusermount3 bwrap; do cp "$(command -v $tool)" "$place/bin/$tool"; done
    ln -s fusermount3 "$place/bin/fusermount"
    { cat /etc/passwd; echo "ordinary:x:${uid}:${gid}::/:/bin/sh"; } > "$place/bin/passwd"
    mount --bind "$place/bin/passwd" /etc/passwd
    for name in ${tools.join(" ")}; do chmod 4755 "$place/bin/$name"; done
    mount --rbind "$place/bin" /usr/local/bin
    for name in fusermount3 fusermount bwrap; do
      for directory in /usr/bin /bin; do
        [ ! -e $directory/$name ] || mount --bind /usr/local/bin/passwd $directory/$name
      done
    done
    exec setpriv --reuid=${uid} --regid=${gid} --clear-groups "$@"`
  // The map is written from outside. A program that was started before it was there has no capabilities, so there is another.
  const outer = `
    [ -e '${app.directory}/fuse' ] || mknod -m 666 '${app.directory}/fuse' c 10 229
    me=$$
    {
      until [ "$(readlink /proc/$me/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do :; done
      echo '0 0 100000' > /proc/$me/uid_map
      echo '0 0 100000' > /proc/$me/gid_map
    } > /dev/null 2>&1 &
    inner=$1; shift
    exec unshare --user --mount --propagation private sh -c \\
      'until [ "$(id -u)" = 0 ]; do :; done; inner=$1; shift; exec sh -c "$inner" sh "$@"' sh "$inner" "$@"`
  return ["sh", "-c", outer, "sh", inner, program, ...words]
}
