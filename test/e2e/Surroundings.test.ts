/** What a guest finds around it: names, terminals, languages, displays, homes of any kind. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { guest, succeeds } from "../support/Commands.ts"
import { startDisplay } from "../support/Display.ts"
import { images, program, root, scenario } from "../support/Needs.ts"
import { debian, place } from "../support/Place.ts"
import { self, users } from "../support/Users.ts"

/** A certificate in PEM. */
const block = (body: string) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`

const hosts = "awk '{ for (i = 2; i <= NF; i++) print $i, $1 }' /etc/hosts"

describe.each(users)("as $name, a guest", (user) => {
  scenario("resolves localhost and its own name, with and without the network", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const named = Effect.fnUntraced(function*(name: string) {
        for (const command of ["fim-exec", "fim-root"]) {
          const lines = (yield* succeeds(app, [command, "sh", "-c", hosts])).split("\n")
          assert.include(lines, "localhost 127.0.0.1")
          assert.isTrue(lines.some((line) => line.startsWith(`${name} `)), `${name} in ${lines}`)
        }
        assert.strictEqual(yield* succeeds(app, ["fim-exec", "hostname"]), `${name}\n`)
      })
      yield* named("flatimage")
      // What the image has there stays.
      yield* guest(app, "echo '10.1.2.3 kept' > /tmp/h; cat /etc/hosts > /dev/null")
      yield* succeeds(app, ["fim-perms", "set", "network"])
      yield* named("flatimage")
      const host = readFileSync("/etc/hosts", "utf8")
      assert.isTrue((yield* guest(app, "cat /etc/hosts")).startsWith(host.trimEnd()))
      yield* succeeds(app, ["fim-unshare", "set", "ipc"])
      yield* named(hostname())
      yield* app.isClean
    }))

  scenario("gets a terminal and a language that it has", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const environment = { LANG: "de_DE.UTF-8", LC_ALL: "de_DE.UTF-8", TERM: "flatimage-unknown" }
      mkdirSync(`${app.home}/.terminfo/f`, { recursive: true })
      assert.strictEqual(yield* guest(app, "echo $TERM", environment), "xterm\n")
      writeFileSync(`${app.home}/.terminfo/f/flatimage-unknown`, "described")
      const shown = yield* guest(app, "echo $TERM; cat \"${TERMINFO_DIRS%%:*}/f/$TERM\"", environment)
      assert.strictEqual(shown, "flatimage-unknown\ndescribed")
      yield* app.isClean
    }))

  scenario("has a home whatever HOME is, and games in its path", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      writeFileSync(`${app.home}/file`, "")
      yield* succeeds(app, ["fim-perms", "set", "home"])
      for (
        const HOME of [
          "/dev/null",
          "/etc/passwd",
          "/proc/self/exe",
          "/nonexistent",
          "/run",
          "/",
          "/usr",
          "/dev",
          `${app.home}/file`,
          `${app.home}/file/below`,
          `//${app.home}///`,
          "relative",
          "",
          "/a:b"
        ]
      ) {
        const outcome = yield* app.run(["fim-exec", "sh", "-c", "test -c /dev/null && test -x /bin/sh"], {
          environment: { HOME }
        })
        assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""], HOME)
      }
      assert.include(yield* guest(app, "echo $PATH"), ":/usr/local/games:/usr/games:")
      yield* app.isClean
    }))

  scenario("finds the working directory in a home that is a link", images, () =>
    Effect.gen(function*() {
      if (user.uid === 0) return
      const app = yield* place(user, { copy: true })
      yield* succeeds(app, ["fim-perms", "set", "home"])
      mkdirSync(`${app.home}/proj`)
      writeFileSync(`${app.home}/proj/f`, "hi\n")
      symlinkSync(app.home, `${app.directory}/link`)
      const look = ["fim-exec", "sh", "-c", "cat f; cat \"$HOME/proj/f\"; cat \"$1\"", "sh", `${app.home}/proj/f`]
      const outcome = yield* app.run(look, {
        directory: `${app.directory}/link/proj`,
        environment: { HOME: `${app.directory}/link` }
      })
      assert.deepStrictEqual([outcome.stdout, outcome.stderr], ["hi\nhi\nhi\n", ""])
      yield* app.isClean
    }))

  scenario("knows the caller by LOGNAME, or as the host does", images, () =>
    Effect.gen(function*() {
      if (user.uid === 0) return
      const app = yield* place(user)
      assert.strictEqual(yield* guest(app, "id -un; echo $USER", { LOGNAME: "ada" }), "ada\nada\n")
    }))

  scenario(
    "gets the caller's proxies and the host's added authorities with the network",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        writeFileSync(`${app.home}/extra.pem`, block("QUJDRA=="))
        const proxies = { http_proxy: "http://127.0.0.1:3128", NO_PROXY: "localhost" }
        const environment = { ...proxies, NODE_EXTRA_CA_CERTS: `${app.home}/extra.pem` }
        yield* succeeds(app, [
          "fim-root",
          "sh",
          "-c",
          "mkdir -p /etc/ssl/certs; echo own > /etc/ssl/certs/ca-certificates.crt"
        ])
        const look =
          "env | grep -i proxy | sort; cat /etc/ssl/certs/ca-certificates.crt; test -z \"$SSL_CERT_FILE\" || cat \"$SSL_CERT_FILE\""
        assert.strictEqual(yield* guest(app, look, environment), "own\n")
        yield* succeeds(app, ["fim-perms", "set", "network"])
        const shown = "NO_PROXY=localhost\nhttp_proxy=http://127.0.0.1:3128\n"
        const isRoot = user.uid === 0
        // Others may have been added to this host.
        const printed = yield* guest(app, look, environment)
        assert.isTrue(printed.startsWith(`${shown}own\n`))
        assert.strictEqual(printed.split(block("QUJDRA==")).length, isRoot ? 2 : 3)
        // Packages of root can replace the guest's.
        const replace = "cd /etc/ssl/certs; echo new > x; mv x ca-certificates.crt; cat ca-certificates.crt"
        assert.strictEqual(yield* succeeds(app, ["fim-root", "sh", "-c", replace], environment), "new\n")
        yield* app.isClean
      })
  )
})

describe("a guest with a display", () => {
  scenario(
    "is let in with a cookie that is filed under the name of the host",
    [...images, debian, program("Xvfb"), program("xauth"), program("xdpyinfo")],
    () =>
      Effect.gen(function*() {
        const app = yield* place(self, { image: "debian", copy: true })
        const server = yield* startDisplay(app.directory, "64x64")
        const { DISPLAY } = server.environment
        const XAUTHORITY = `${app.home}/.Xauthority`
        const cookie = readFileSync(server.environment.XAUTHORITY).subarray(-16).toString("hex")
        execFileSync("xauth", ["-q", "-f", XAUTHORITY, "add", DISPLAY, ".", cookie])
        execFileSync("xauth", ["-q", "-f", XAUTHORITY, "add", ":9", ".", randomBytes(16).toString("hex")])
        yield* succeeds(app, ["fim-perms", "set", "xorg"])
        for (const [source, target] of [["/usr/bin", "/hostbin"], ["/usr/lib/x86_64-linux-gnu", "/hostlib"]]) {
          yield* succeeds(app, ["fim-bind", "add", "ro", source!, target!])
        }
        const look = "/hostlib/ld-linux-x86-64.so.2 --library-path /hostlib /hostbin/xdpyinfo | head -n 1"
        for (const variables of [{ XAUTHORITY }, {}]) {
          const shown = yield* succeeds(app, ["fim-exec", "sh", "-c", look], { DISPLAY, ...variables })
          assert.match(shown, /^name of display: +:\d+\n$/)
        }
        // Not those of other displays.
        const size = yield* succeeds(app, ["fim-exec", "sh", "-c", "wc -c < $XAUTHORITY"], { DISPLAY })
        assert.isBelow(Number(size), 64)
      }),
    60_000
  )
})

describe("root's guest", () => {
  scenario("is readable for its users whatever the umask", [...images, root, debian], () =>
    Effect.gen(function*() {
      const app = yield* place(self, { image: "debian" })
      const script =
        "umask 077; \"$app\" fim-root sh -c 'stat -c %a / /etc/passwd /etc/hosts; su -s /bin/sh nobody -c id'"
      const { code, stderr, stdout } = yield* app.shell(script)
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.match(stdout, /^755\n644\n644\nuid=65534/)
      yield* app.isClean
    }))
})
