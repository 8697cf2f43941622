/** Root of the guest: what is answered for an ordinary user, and what packages make of it. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { inGuestOnly } from "../support/Guest.ts"
import { images, isRoot, program, root, scenario } from "../support/Needs.ts"
import { debian, type Place, place } from "../support/Place.ts"
import { ordinary, self } from "../support/Users.ts"

const needs = [...images, debian]

/** What root asks for and an ordinary user cannot have; then what came of it. Each line has a name and an exit code. */
const asking = `${inGuestOnly}
try() { name=$1; shift; "$@" > /dev/null 2>> /srv/said; echo "$name $?"; }
cd /srv
echo content > file; ln -s file link; mkdir tree; echo deep > tree/deep
tar --create --file tree.tar --owner=1234 --group=5678 tree
try chown chown 1:2 file
try chown-link chown --no-dereference 1:2 link
try chgrp chgrp shadow file
try install install --owner=3 --group=4 --mode=4755 file installed
try tar tar --extract --same-owner --file tree.tar --directory /opt
try setpriv setpriv --reuid=5 --regid=6 --groups=7,8 true
try perl perl -e '$! = 0; $) = "6 6"; $> = 5; exit $! != 0'
try mknod mknod device c 1 3
try mknod-block mknod block b 7 0
try useradd useradd --create-home --user-group somebody
try su su somebody --command true
try capset setpriv --inh-caps=+sys_time true
try fifo mknod --mode=640 fifo p
try missing chown 1:2 nothing`

const looking = `${inGuestOnly}
cd /srv
stat --format '%n %F %u:%g %a' file link installed fifo /opt/tree/deep /home/somebody
[ -e device ] || [ -e block ] || echo no-device
grep -c somebody /etc/passwd /etc/shadow
setpriv --reuid=5 --regid=6 --clear-groups id -u`

/** What the kernel refuses an ordinary user; `useradd` only warns of a home that it cannot give away. */
const refused = "chown,chown-link,chgrp,install,tar,setpriv,perl,mknod,mknod-block,su,capset".split(",")

const asked = (app: Place, environment: Readonly<Record<string, string>> = {}) =>
  Effect.map(app.run(["fim-root", "bash", "-c", asking], { environment }), ({ code, stderr, stdout }) => {
    assert.deepStrictEqual([code, stderr], [0, ""])
    return new Map(stdout.trimEnd().split("\n").map((line) => line.split(" ") as [string, string]))
  })

describe("root of a guest", () => {
  for (const overlay of ["bwrap", "overlayfs", "unionfs"]) {
    scenario(
      `that is an ordinary user gets answers for owners, ids and devices, on ${overlay}`,
      needs,
      () =>
        Effect.gen(function*() {
          const app = yield* place(ordinary, { image: "debian" })
          const environment = { FIM_OVERLAY: overlay }
          const answers = yield* asked(app, environment)
          assert.deepStrictEqual(
            answers,
            new Map([...refused, "useradd", "fifo", "missing"].map((name) => [name, name === "missing" ? "1" : "0"]))
          )
          // In another run, so that it is what lasts.
          const seen = yield* app.run(["fim-root", "bash", "-c", looking], { environment })
          assert.deepStrictEqual(seen.stdout.split("\n"), [
            "file regular file 0:0 644",
            "link symbolic link 0:0 777",
            "installed regular file 0:0 4755",
            "fifo fifo 0:0 640",
            "/opt/tree/deep regular file 0:0 644",
            "/home/somebody directory 0:0 700",
            "no-device",
            "/etc/passwd:1",
            "/etc/shadow:1",
            "0",
            ""
          ])
          yield* app.isClean
        })
    )
  }

  scenario(
    "that is an ordinary user is told by the kernel where FIM_ALLOW names his ids",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary, { image: "debian" })
        const answers = yield* asked(app, { FIM_ALLOW: "ids" })
        for (const name of refused) assert.notStrictEqual(answers.get(name), "0", name)
        assert.strictEqual(answers.get("fifo"), "0")
        yield* app.isClean
      })
  )

  scenario("that is an ordinary user is the only one who gets them", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary, { image: "debian" })
      const plain = yield* app.run(["fim-exec", "sh", "-c", "touch /file; chown 0:0 /file; echo \"$? $APT_CONFIG.\""])
      assert.strictEqual(plain.stdout, "1 .\n")
      const forced = yield* app.run(["fim-exec", "chown", "1:2", "/file"], { environment: { FIM_ROOT: "1" } })
      assert.deepStrictEqual([forced.code, forced.stderr], [0, ""])
    }))

  scenario("that is root does as root does", [...needs, root], () =>
    Effect.gen(function*() {
      const app = yield* place(self, { image: "debian" })
      const answers = yield* asked(app)
      for (const name of ["mknod", "mknod-block", "capset"]) assert.notStrictEqual(answers.get(name), "0", name)
      const seen = yield* app.run(["fim-root", "bash", "-c", `${looking}; echo "$APT_CONFIG."`])
      assert.match(
        seen.stdout,
        /^file regular file 1:42 644\nlink symbolic link 1:2 777\ninstalled regular file 3:4 4755$/m
      )
      assert.match(
        seen.stdout,
        /^\/opt\/tree\/deep regular file 1234:5678 644\n\/home\/somebody directory (1\d+):\1 700$/m
      )
      assert.match(seen.stdout, /\n5\n\.\n$/)
      yield* app.isClean
    }))
})

/** How this machine reaches a mirror, which an image does not say. */
const transport = () =>
  execFileSync("apt-config", ["dump"], { encoding: "utf8" }).split("\n").filter((line) => line.startsWith("Acquire::"))
    .join("\n")

/** Without the settings that images of ours have for apt, as in those that were made of another's tree. */
const installing = `${inGuestOnly}
set -e
export DEBIAN_FRONTEND=noninteractive
rm /etc/apt/apt.conf.d/90flatimage
cat > /etc/apt/apt.conf.d/00transport
apt-get update --quiet --error-on=any
apt-get install --yes --quiet --no-install-recommends "$@"
apt-get clean
rm -rf /var/lib/apt/lists/*`

const verifying = `set -e
dpkg --audit
dpkg-query --show --showformat '\${Status} \${Package}\\n' "$@"
stat --format '%n %U:%G %a' /usr/bin/crontab /var/spool/cron/crontabs
mkdir -p /run/sshd
/usr/sbin/sshd -t
grep -c '^sshd:' /etc/passwd
grep -c '^crontab:' /etc/group`

const packages = ["cron", "openssh-server"]

describe("packages that want users of their own", () => {
  scenario(
    "are installed by an ordinary user, and last through a commit",
    [...needs, program("apt-config")],
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary, { image: "debian", copy: true })
        const patience = 100_000
        const script = (text: string) => ["fim-root", "bash", "-c", text, "bash", ...packages]
        assert.strictEqual((yield* app.run(["fim-perms", "add", "network"])).code, 0)
        const installed = yield* app.run(script(installing), { input: transport(), patience })
        assert.strictEqual(installed.code, 0, installed.stdout.slice(-2000) + installed.stderr)
        assert.match(installed.stdout, /Creating group 'crontab'|Adding group `crontab'/)
        const expected = [
          ...packages.map((name) => `install ok installed ${name}`),
          "/usr/bin/crontab root:root 2755",
          "/var/spool/cron/crontabs root:root 1730",
          "1",
          "1",
          ""
        ]
        const seen = yield* app.run(script(verifying))
        assert.deepStrictEqual([seen.stdout.split("\n"), seen.stderr], [expected, ""])
        const environment = { FIM_COMPRESSION_LEVEL: "0" }
        const committed = yield* app.run(["fim-layer", "commit", "binary"], { environment, patience })
        assert.strictEqual(committed.code, 0, committed.stderr)
        assert.isFalse(existsSync(`${app.data}/root/usr/sbin/sshd`))
        const again = yield* app.run(script(verifying))
        assert.deepStrictEqual([again.stdout.split("\n"), again.stderr], [expected, ""])
        // Nothing of what apt was told is in the image, and whoever else starts it finds all of it.
        const left = yield* app.run([
          "fim-exec",
          "sh",
          "-c",
          "find /etc/apt -type f -name '*.conf'; echo \"$APT_CONFIG.\""
        ])
        assert.strictEqual(left.stdout, ".\n")
        yield* app.isClean
        if (!isRoot) return
        const other = yield* place(self, { image: "debian" })
        const found = yield* other.run([app.image, ...script(verifying)], { program: "env" })
        assert.deepStrictEqual(found.stdout.split("\n"), expected)
        // The data directory beside the image is the user's.
        assert.match(found.stderr, /^W::Data directory [^\n]* belongs to the user 61234; [^\n]*\n$/)
      }),
    240_000
  )
})
