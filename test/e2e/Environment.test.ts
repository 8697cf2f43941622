import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { inGuestOnly } from "../support/Guest.ts"
import { processesIn } from "../support/Leftovers.ts"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { reservedOffset } from "../support/Reserved.ts"
import { users } from "../support/Users.ts"

/** Variables of a guest by name. */
const parse = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text.trimEnd().split("\n").map((line) => {
      const at = line.indexOf("=")
      return [line.slice(0, at), line.slice(at + 1)]
    })
  )

/** What `docs/format.md` says of the identification of an image. */
const isImage = (path: string): boolean => readFileSync(path).subarray(8, 11).equals(Buffer.from([0x46, 0x49, 0x01]))

/** Rooms of an instance directory while it runs. */
const rooms = [
  "bashrc",
  "layers/0",
  "logs/bwrap",
  "logs/daemon/guest",
  "logs/daemon/host",
  "logs/dispatcher",
  "logs/fuse/dwarfs.log",
  "mount",
  "passwd",
  "portal/daemon/guest.fifo",
  "portal/daemon/host.fifo",
  "portal/dispatcher/guest",
  "portal/dispatcher/host"
]

describe.each(users)("as $name", (user) => {
  scenario(
    "FIM_MAIN_OFFSET prints the offset of the reserved space, and nothing runs",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        for (const words of [[], ["fim-exec", "true"], ["word"]]) {
          const outcome = yield* app.run(words, { environment: { FIM_MAIN_OFFSET: "1" } })
          assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
          assert.match(outcome.stdout, /^\d+\n$/)
          assert.strictEqual(Number(outcome.stdout), reservedOffset(app.image))
        }
        assert.isTrue(isImage(app.image))
        const empty = yield* app.run(["fim-exec", "echo", "ran"], { environment: { FIM_MAIN_OFFSET: "" } })
        assert.deepStrictEqual([empty.code, empty.stdout], [0, "ran\n"])
      })
  )

  scenario("the guest is told of the image and its directories", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const running = yield* app.start(["fim-exec", "env"])
      const variables = parse((yield* running.outcome).stdout)
      const application = readdirSync(`${app.global}/app`)[0] ?? ""
      const [commit = "", timestamp = ""] = application.split("_")
      const inside = `/tmp/fim/app/${application}`
      const told = Object.fromEntries(Object.entries(variables).filter(([name]) => name.startsWith("FIM_")))
      assert.deepStrictEqual(told, {
        FIM_VERSION: "v0.1.0",
        FIM_COMMIT: commit,
        FIM_TIMESTAMP: timestamp,
        FIM_DIST: "BLUEPRINT",
        FIM_PID: String(running.pid),
        FIM_BIN_SELF: app.image,
        FIM_DIR_SELF: app.directory,
        FIM_OFFSET: String(reservedOffset(app.image)),
        FIM_DIR_GLOBAL: "/tmp/fim",
        FIM_DIR_APP: inside,
        FIM_DIR_APP_BIN: `${inside}/bin`,
        FIM_DIR_APP_SBIN: `${inside}/sbin`,
        FIM_DIR_INSTANCE: `${inside}/instance/${running.pid}`,
        FIM_DIR_RUNTIME: "/tmp/fim/run",
        FIM_DIR_RUNTIME_HOST: "/tmp/fim/run/host",
        FIM_DIR_DATA: app.data,
        FIM_DIR_LAYERS: `${app.data}/layers`
      })
      const root = user.uid === 0
      assert.strictEqual(variables["UID"], String(user.uid))
      assert.strictEqual(variables["GID"], String(user.gid))
      assert.strictEqual(variables["USER"], root ? "root" : `user${user.uid}`)
      assert.strictEqual(variables["HOME"], root ? "/root" : app.home)
      assert.strictEqual(variables["SHELL"], `${inside}/bin/bash`)
      assert.strictEqual(variables["BASHRC_FILE"], `${inside}/instance/${running.pid}/bashrc`)
      assert.strictEqual(variables["XDG_RUNTIME_DIR"], `/run/user/${user.uid}`)
    }))

  scenario("the directories that the guest is told of are there", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const script =
        "for name in APP_BIN APP_SBIN INSTANCE; do eval test -d \"\\$FIM_DIR_$name\" || echo no $name; done;"
        + " test -r \"$BASHRC_FILE\" || echo no bashrc; test -x \"$SHELL\" || echo no shell; test -w /tmp || echo no tmp;"
        + " test \"$(id -un)\" = \"$USER\" || echo no user; test -d \"$HOME\" || echo no home; echo looked"
      const outcome = yield* app.run(["fim-exec", "sh", "-c", script])
      assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "looked\n", ""])
    }))

  scenario(
    "instance and data directories are there while it runs, and are the caller's alone",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const running = yield* app.start(["fim-exec", "sh", "-c", "echo > /written; echo ready; cat"], {
          interactive: true
        })
        yield* running.says(/ready/)
        const application = `${app.global}/app/${readdirSync(`${app.global}/app`)[0]}`
        const instance = `${application}/instance/${running.pid}`
        for (const room of rooms) assert(statSync(`${instance}/${room}`).uid === user.uid, room)
        assert.strictEqual(statSync(instance).mode & 0o777, 0o700)
        for (const fifo of ["host", "guest"]) {
          const { mode } = statSync(`${instance}/portal/daemon/${fifo}.fifo`)
          assert.strictEqual(mode & 0o170777, 0o010600)
        }
        for (const room of ["data/written", "layers", "tmp", `work/${running.pid}`]) statSync(`${app.data}/${room}`)
        for (const room of ["bin/bash", "bin/busybox", "sbin/ls", "lib", "bin/fim"]) statSync(`${application}/${room}`)
        assert.isAbove(processesIn([app.directory]).length, 0)
        yield* Effect.sync(() => running.child.stdin?.end())
        assert.strictEqual((yield* running.outcome).code, 0)
        yield* app.isClean
        assert.strictEqual(readFileSync(`${app.data}/data/written`, "utf8"), "\n")
      })
  )

  scenario(
    "FIM_DIR_DATA where none can be made ends with the reason and what to do",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { code, stderr } = yield* app.run(["fim-exec", "true"], { environment: { FIM_DIR_DATA: "/proc/data" } })
        assert.strictEqual(code, 125)
        assert.match(
          stderr,
          /^E::cannot make .*\(tried '\/proc\/data': [^)]+.*\); set FIM_DIR_DATA to a directory of yours$/m
        )
        yield* app.isClean
      })
  )

  scenario(
    "FIM_DIR_DATA puts the data directory elsewhere, also relative to the caller's directory",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        for (const chosen of [`${app.home}/chosen`, "relative"]) {
          const words = ["fim-exec", "sh", "-c", "echo kept > /file; echo \"$FIM_DIR_DATA\""]
          const outcome = yield* app.run(words, { environment: { FIM_DIR_DATA: chosen } })
          const data = chosen.startsWith("/") ? chosen : `${app.home}/${chosen}`
          assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, `${data}\n`, ""])
          assert.strictEqual(readFileSync(`${data}/data/file`, "utf8"), "kept\n")
        }
        const other = yield* app.run(["fim-exec", "cat", "/file"])
        assert.strictEqual(other.code, 1)
      })
  )

  scenario(
    "what the guest writes is there at the next run, with owner, mode and links",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const write =
          `${inGuestOnly}; mkdir -p /opt/x; echo a > /opt/x/a; chmod 640 /opt/x/a; ln /opt/x/a /opt/x/b; ln -s a /opt/x/c; rm -r /srv`
        assert.strictEqual((yield* app.run(["fim-root", "sh", "-c", write])).code, 0)
        const look = "stat -c '%a %u %h' /opt/x/a; cat /opt/x/b; readlink /opt/x/c; test -e /srv || echo gone"
        const outcome = yield* app.run(["fim-root", "sh", "-c", look])
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "640 0 2\na\na\ngone\n", ""])
      })
  )
})
