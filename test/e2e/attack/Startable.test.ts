/** Whatever a guest puts in the place of what we mount on, its image starts. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { images, isRoot, scenario } from "../../support/Needs.ts"
import { type Place, place } from "../../support/Place.ts"
import { users } from "../../support/Users.ts"

/** What a guest makes of a path, as it can itself. */
const kinds: Readonly<Record<string, (path: string) => void>> = {
  "a dangling link": (path) => symlinkSync("/nowhere/at/all", path),
  "a link in a circle": (path) => symlinkSync(path.slice(path.lastIndexOf("/") + 1), path),
  "a link out of the root": (path) => symlinkSync("../../../../../../../../etc", path),
  "a link below a file": (path) => symlinkSync("/bin/busybox/below", path),
  "a FIFO": (path) => execFileSync("mkfifo", [path]),
  "a socket": (path) =>
    execFileSync("python3", [
      "-c",
      "import socket,sys,os; os.chdir(os.path.dirname(sys.argv[1])); "
      + "socket.socket(socket.AF_UNIX).bind(os.path.basename(sys.argv[1]))",
      path
    ]),
  "an empty file": (path) => writeFileSync(path, ""),
  "a huge file with zero bytes": (path) => writeFileSync(path, Buffer.alloc(3 << 20, "x:\0y\n")),
  "a file without permissions": (path) => writeFileSync(path, "kept", { mode: 0 }),
  "an empty directory": (path) => mkdirSync(path),
  "a full directory": (path) => {
    mkdirSync(`${path}/inner`, { recursive: true })
    writeFileSync(`${path}/inner/file`, "kept")
  },
  "a directory without permissions": (path) => mkdirSync(path, { mode: 0 })
}

/** Paths below the root that a start mounts on, makes or reads. `HOME` is the user's. */
const paths = [
  "proc",
  "dev",
  "sys",
  "tmp",
  "run",
  "run/user",
  "etc",
  "etc/passwd",
  "etc/group",
  "etc/resolv.conf",
  "etc/hosts",
  "etc/nsswitch.conf",
  "home",
  "HOME",
  "usr/share/fonts",
  "mnt/deep/bound",
  "mnt/deep",
  "mnt/file"
]

/** Where root's start is not as the user's. */
const rootToo: ReadonlySet<string> = new Set(["etc/passwd", "etc/group", "HOME", "tmp"])

const give = (app: Place, path: string): void => {
  if (isRoot) execFileSync("chown", ["-hR", `${app.user.uid}:${app.user.gid}`, path])
}

/** Puts it into the upper directory, with parents that the guest could have made. */
const plant = (app: Place, path: string, make: (path: string) => void): string => {
  const upper = `${app.data}/data`
  rmSync(upper, { recursive: true, force: true })
  mkdirSync(upper, { mode: 0o755 })
  const target = `${upper}/${path}`
  mkdirSync(dirname(target), { recursive: true })
  make(target)
  give(app, upper)
  return target
}

describe.each(users)("as $name, an image starts with", (user) => {
  scenario("whatever its guest has put in the place of what is mounted", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const host = `${app.directory}/bound`
      mkdirSync(host)
      writeFileSync(`${app.directory}/file`, "bound\n")
      writeFileSync(`${host}/content`, "bound\n")
      chmodSync(host, 0o755)
      if (isRoot) {
        for (const path of [host, `${host}/content`, `${app.directory}/file`]) chownSync(path, user.uid, user.gid)
      }
      for (
        const words of [
          ["fim-perms", "set", "network,gpu,audio,wayland,xorg,home"],
          ["fim-bind", "add", "ro", host, "/mnt/deep/bound"],
          ["fim-bind", "add", "ro", `${app.directory}/file`, "/mnt/file"],
          ["fim-bind", "add", "ro", "/usr/share", "/usr/share/fonts"],
          ["fim-exec", "true"]
        ]
      ) assert.strictEqual((yield* app.run(words)).code, 0, words.join(" "))
      const failures: Array<string> = []
      for (const [row, path] of paths.entries()) {
        for (const [column, [kind, make]] of Object.entries(kinds).entries()) {
          // Half of the table where paths are treated alike: each kind and each path are in it.
          if (!rootToo.has(path) && (row + column) % 2 === 1) continue
          const real = path === "HOME" ? app.home.slice(1) : path
          const target = plant(app, real, make)
          const made = lstatSync(target)
          for (const command of rootToo.has(path) ? ["fim-exec", "fim-root"] : ["fim-exec"]) {
            const outcome = yield* app.run([command, "true"])
            const lines = outcome.stderr.split("\n").filter((line) => line !== "")
            if (outcome.code !== 0 || lines.some((line) => !line.startsWith("W::"))) {
              failures.push(`${command}: ${kind} at ${path}: ${outcome.code} ${outcome.stderr}`)
            }
          }
          // Nothing is destroyed: it is where it was, or beside it.
          const isLeft = [target, `${target}.replaced`].some((one) =>
            lstatSync(one, { throwIfNoEntry: false })?.ino === made.ino
          )
          if (!isLeft) failures.push(`${kind} at ${path} is gone`)
        }
      }
      assert.deepStrictEqual(failures, [])
    }), 600_000)

  scenario("a line that names what it has replaced, and the content of that", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      assert.strictEqual((yield* app.run(["fim-exec", "true"])).code, 0)
      const target = plant(app, "tmp", (path) => writeFileSync(path, "precious"))
      const first = yield* app.run(["fim-exec", "cat", "/tmp.replaced"])
      assert.deepStrictEqual([first.code, first.stdout], [0, "precious"])
      assert.match(first.stderr, /^W::The guest had no directory at '\/tmp'; what was there is now '\/tmp.replaced'\n$/)
      assert.strictEqual(readFileSync(`${target}.replaced`, "utf8"), "precious")
      const second = yield* app.run(["fim-exec", "true"])
      assert.deepStrictEqual([second.code, second.stderr], [0, ""])
    }))
})
