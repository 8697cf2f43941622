import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { succeeds } from "../support/Commands.ts"
import { inGuestOnly } from "../support/Guest.ts"
import { runOnHost } from "../support/HostNamespace.ts"
import { images, program, root, scenario } from "../support/Needs.ts"
import { debian, type Place, place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

const needs = [...images, root, debian, program("unshare"), program("ip")]

/** How the guest's own file can be, which the host's is to be seen through. */
const layouts = {
  "a file": ": > /etc/resolv.conf",
  "absent": ":",
  "a link to where systemd-resolved writes": "ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
  "a link through other links, out of the root": "ln -s /var/run/../../../run/resolvconf/resolv.conf /etc/resolv.conf"
}

const modules = "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n"

/** A host on which systemd-resolved runs, of which a guest has neither socket nor module. */
const resolvedHost = (app: Place, nameServices: string): string => {
  const host = `${app.directory}/host`
  mkdirSync(`${host}/etc`, { recursive: true })
  mkdirSync(`${host}/run/systemd/resolve`, { recursive: true })
  writeFileSync(`${host}/run/systemd/resolve/stub-resolv.conf`, "nameserver 127.0.0.53\noptions timeout:1\n")
  symlinkSync("../run/systemd/resolve/stub-resolv.conf", `${host}/etc/resolv.conf`)
  writeFileSync(`${host}/etc/hosts`, "127.0.0.1 localhost\n192.0.2.9 listed.test\n")
  writeFileSync(`${host}/etc/host.conf`, "multi on\n")
  writeFileSync(`${host}/etc/nsswitch.conf`, nameServices)
  return host
}

const replaced = ["/etc", "/run"]
const name = ["flatimage.test", "192.0.2.7"] as const

const look = "getent hosts flatimage.test; getent hosts listed.test; getent hosts none.test; cat /etc/resolv.conf"
const answers = [
  "192.0.2.7 flatimage.test",
  "192.0.2.9 listed.test",
  "nameserver 127.0.0.53",
  "options timeout:1",
  ""
]

/** Has to find what the host's server and file know, and nothing else. */
const resolves = Effect.fnUntraced(function*(app: Place, host: string) {
  const outcome = yield* runOnHost(app, host, ["fim-exec", "sh", "-c", look], { replaced, name })
  assert.deepStrictEqual([outcome.stdout.replaceAll(/ +/g, " ").split("\n"), outcome.stderr], [answers, ""])
})

describe.each(users)("as $name, with the permission of the network", (user) => {
  for (const [how, make] of Object.entries(layouts)) {
    scenario(`a guest whose resolv.conf is ${how} asks the host's resolver`, needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { image: "debian", copy: true })
        const host = resolvedHost(app, modules)
        const script = `${inGuestOnly}; rm -f /etc/resolv.conf; ${make}`
        yield* succeeds(app, ["fim-root", "sh", "-c", script])
        yield* succeeds(app, ["fim-perms", "set", "network"])
        yield* resolves(app, host)
        yield* app.isClean
      }))
  }

  scenario(
    "a guest has the host's names until it is taken back, and then nothing but its own loopback",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { image: "debian", copy: true })
        const host = resolvedHost(app, modules)
        yield* succeeds(app, ["fim-perms", "set", "network"])
        yield* resolves(app, host)
        // The host's file is what it was, and the guest's too once the permission is gone.
        assert.match(readFileSync(`${host}/etc/resolv.conf`, "utf8"), /127\.0\.0\.53/)
        yield* succeeds(app, ["fim-perms", "clear"])
        const words = [
          "fim-exec",
          "sh",
          "-c",
          "cat /etc/resolv.conf 2> /dev/null; getent hosts flatimage.test; ls /sys/class/net /run/systemd 2> /dev/null; tail -n +3 /proc/net/dev | cut -d: -f1"
        ]
        const alone = yield* runOnHost(app, host, words, { replaced, name })
        assert.deepStrictEqual([alone.stdout.trim(), alone.stderr], ["lo", ""])
        yield* app.isClean
      })
  )

  scenario("a guest keeps its own name services where the host's would not do", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { image: "debian", copy: true })
      const host = resolvedHost(app, "passwd: sss\nhosts: resolve [!UNAVAIL=return]\n")
      yield* succeeds(app, ["fim-perms", "set", "network"])
      yield* resolves(app, host)
      yield* app.isClean
    }))
})
