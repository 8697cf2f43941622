import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readlinkSync, statSync } from "node:fs"
import { succeeds } from "../support/Commands.ts"
import { images, program, root, scenario } from "../support/Needs.ts"
import { debian, place } from "../support/Place.ts"
import { self, users } from "../support/Users.ts"

const host = readlinkSync("/proc/self/ns/user")

/** The namespace of a guest's users, and who they are. */
const look = ["sh", "-c", "readlink /proc/self/ns/user; tr -s ' ' < /proc/self/uid_map"]
const everyone = " 0 0 4294967295"

describe.each(users)("as $name, a guest", (user) => {
  scenario("has users of its own", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (const command of ["fim-exec", "fim-root"]) {
        const [namespace, map] = (yield* succeeds(app, [command, ...look])).split("\n")
        assert.match(namespace ?? "", /^user:\[\d+\]$/)
        assert.notStrictEqual(namespace, host)
        const inside = command === "fim-root" ? 0 : user.uid
        assert.strictEqual(map, user.uid === 0 ? everyone : ` ${inside} 0 1`)
      }
      yield* app.isClean
    }))
})

describe("root of a user namespace", () => {
  // Such as one in a container without privileges.
  scenario(
    "replaces a directory of a layer, which stays replaced",
    [...images, program("unshare")],
    () =>
      Effect.gen(function*() {
        const app = yield* place(self)
        const run = (script: string) =>
          app.run(["--user", "--map-root-user", app.image, "fim-root", "sh", "-euc", script], { program: "unshare" })
        const before = yield* run("ls -A /etc")
        assert.include(before.stdout, "passwd\n")
        const made = yield* run("cp -r /etc /kept; rm -r /etc; mkdir /etc; echo new > /etc/only")
        assert.deepInclude(made, { code: 0, stderr: "" })
        // The names that every guest resolves have a mount point there.
        assert.strictEqual((yield* run("ls -A /etc")).stdout, "hosts\nonly\n")
        yield* app.isClean
      })
  )
})

describe("root's guest", () => {
  const needs = [...images, root, program("unshare")]

  scenario("gives files to anybody, and becomes anybody", [...needs, debian], () =>
    Effect.gen(function*() {
      const app = yield* place(self, { image: "debian" })
      const become = "setpriv --reuid=61234 --regid=61235 --clear-groups id -u"
      const script = `echo x > /given && chown 61234:61235 /given && ${become}`
      assert.strictEqual(yield* succeeds(app, ["fim-exec", "sh", "-c", script]), "61234\n")
      const { gid, uid } = statSync(`${app.data}/data/given`)
      assert.deepStrictEqual([uid, gid], [61234, 61235])
    }))

  scenario(
    "is a server on a low port of the host's network, and then among the host's users",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(self, { copy: true })
        yield* succeeds(app, ["fim-perms", "set", "network"])
        // In a network that nobody else is in, so that the port is free.
        const script = "nc -l -p 80 > /dev/null 2>&1 & for try in $(seq 50); do"
          + " if grep -q ':0050 ' /proc/net/tcp*; then echo listens; break; fi; sleep 0.1; done; kill $!; \"$@\""
        const words = ["--net", app.image, "fim-exec", "sh", "-c", script, "sh", ...look]
        const shared = yield* app.run(words, { program: "unshare" })
        assert.deepStrictEqual(shared.stdout.split("\n").slice(0, 2), ["listens", host])
        for (const [option, first] of [["net", /^listens\n/], ["user", /^user:/]] as const) {
          yield* succeeds(app, ["fim-unshare", "set", option])
          const own = yield* app.run(words, { program: "unshare" })
          assert.match(own.stdout, first)
          assert.notInclude(own.stdout, host)
        }
      })
  )

  const refusals = {
    "parts of /proc are covered": [
      "--mount",
      "mount --bind /dev/null /proc/cmdline;",
      /parts of \/proc are covered here/
    ],
    "the kernel makes no more": [
      "--user",
      "echo 0 > /proc/sys/user/max_user_namespaces;",
      /the kernel makes none: No space left on device/
    ]
  } as const
  for (const [name, [namespace, prepare, reason]] of Object.entries(refusals)) {
    scenario(`is among the host's users where ${name}, and runs all the same`, needs, () =>
      Effect.gen(function*() {
        const app = yield* place(self)
        const mapped = namespace === "--user" ? ["--map-root-user"] : []
        const script = `readlink /proc/self/ns/user; ${prepare} exec "$@"`
        const outcome = yield* app.run(
          [namespace, ...mapped, "sh", "-euc", script, "sh", app.image, "fim-exec", ...look],
          { program: "unshare", environment: { FIM_DEBUG: "1" } }
        )
        assert.strictEqual(outcome.code, 0)
        const [before, after] = outcome.stdout.match(/^user:\[\d+\]$/gm) ?? []
        assert.isString(before)
        assert.strictEqual(after, before)
        assert.match(outcome.stderr, reason)
        yield* app.isClean
      }))
  }
})
