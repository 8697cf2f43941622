import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { inGuestOnly } from "../support/Guest.ts"
import { images, scenario } from "../support/Needs.ts"
import { debian, place } from "../support/Place.ts"
import type { Outcome } from "../support/Process.ts"
import { users } from "../support/Users.ts"

const needs = [...images, debian]

const said = (outcome: Outcome) => [outcome.code, outcome.stdout, outcome.stderr]

/** Makes a package of one file, installs it, and asks the package manager about it. */
const install = `${inGuestOnly}
set -e
mkdir -p /tmp/p/DEBIAN /tmp/p/opt/small
echo content > /tmp/p/opt/small/file
chown 0:0 /tmp/p/opt/small/file
printf 'Package: small\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: Nobody <nobody@localhost>\\nDescription: small\\n' \\
  > /tmp/p/DEBIAN/control
dpkg-deb --root-owner-group --build /tmp/p /tmp/small.deb > /dev/null
dpkg --install /tmp/small.deb > /dev/null
dpkg-query --show small`

describe.each(users)("as $name, a Debian", (user) => {
  scenario("runs its programs", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { image: "debian" })
      const release = yield* app.run(["fim-exec", "cat", "/etc/os-release"])
      assert.match(release.stdout, /^ID=debian$/m)
      const perl = yield* app.run(["fim-exec", "perl", "-e", "print join ',', map { $_ * 2 } 1..3; exit 5"])
      assert.deepStrictEqual(said(perl), [5, "2,4,6", ""])
      const shell = yield* app.run([
        "fim-exec",
        "bash",
        "-o",
        "pipefail",
        "-c",
        "seq 5 | sort -r | tr '\\n' ' '; false | true"
      ])
      assert.deepStrictEqual(said(shell), [1, "5 4 3 2 1 ", ""])
      const packages = yield* app.run(["fim-exec", "dpkg-query", "--show"])
      assert.isAbove(packages.stdout.split("\n").length, 50)
      assert.strictEqual(packages.stderr, "")
      yield* app.isClean
    }))

  scenario("knows who runs it", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { image: "debian" })
      const name = user.uid === 0 ? "root" : `user${user.uid}`
      assert.deepStrictEqual(said(yield* app.run(["fim-exec", "whoami"])), [0, `${name}\n`, ""])
      assert.deepStrictEqual(said(yield* app.run(["fim-root", "whoami"])), [0, "root\n", ""])
      const groups = "id -gn; groups; getent group $(id -G) > /dev/null && grep -c ^root: /etc/group"
      assert.deepStrictEqual(said(yield* app.run(["fim-exec", "sh", "-c", groups])), [0, `${name}\n${name}\n1\n`, ""])
      const home = yield* app.run(["fim-exec", "sh", "-c", "cd && pwd && touch here && ls here"])
      assert.deepStrictEqual(said(home), [0, `${user.uid === 0 ? "/root" : app.home}\nhere\n`, ""])
    }))

  scenario("installs a package, which is there at the next run", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { image: "debian" })
      const installed = yield* app.run(["fim-root", "sh", "-c", install])
      assert.deepStrictEqual([installed.code, installed.stdout], [0, "small\t1.0\n"], installed.stderr)
      assert.deepStrictEqual(said(yield* app.run(["fim-exec", "cat", "/opt/small/file"])), [0, "content\n", ""])
      const removed = yield* app.run(["fim-root", "sh", "-c", `${inGuestOnly}\ndpkg --purge small`])
      assert.strictEqual(removed.code, 0, removed.stderr)
      assert.strictEqual((yield* app.run(["fim-exec", "test", "-e", "/opt/small"])).code, 1)
      yield* app.isClean
    }))

  scenario("reads every one of its files", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { image: "debian" })
      const script = "find / -xdev -type f -exec cat {} + > /dev/null; find / -xdev | wc -l"
      const outcome = yield* app.run(["fim-root", "sh", "-c", script], { patience: 60_000 })
      assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
      assert.isAbove(Number(outcome.stdout), 3000)
      yield* app.isClean
    }))
})
