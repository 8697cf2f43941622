import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chownSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { dirname } from "node:path"
import { attacker, attacks, device, prepared, setuidAttacker } from "../../support/Attack.ts"
import { isRoot, scenario } from "../../support/Needs.ts"
import { quoted } from "../../support/Terminal.ts"
import { users } from "../../support/Users.ts"

/** Prints a file of the host by every way into its tree that a process may find. */
const search = (file: string): ReadonlyArray<string> => [
  "sh",
  "-c",
  "up=../../../../../../../../../..; for way in '' /proc/*/root /proc/*/cwd /proc/*/fd/* /proc/self/task/*/root"
  + " /tmp/fim/run/host /oldroot /newroot \"$FIM_DIR_APP_BIN\" \"$FIM_DIR_INSTANCE/portal\" /dev/fd/* /run /mnt /tmp;"
  + " do for path in \"$way$1\" \"$way/..$1\" \"$way/$up$1\"; do if [ -e \"$path\" ]; then cat \"$path\"; fi; done; done",
  "sh",
  file
]

/** A sandbox without a separate view of processes, and with the rights to look into others. */
const openProcesses = {
  without: ["--unshare-pid", "--as-pid-1", "--unshare-user", "--uid", "--gid", "--cap-drop", "--cap-add"],
  with: ["--cap-add", "ALL"],
  powerful: true,
  unfiltered: true
} as const

/** Capabilities of the guest: the twelve of its root, and none of anybody else. */
const held = (uid: number): string => (uid === 0 ? "00000000a00405fb" : "0000000000000000")

describe.each(users)("as $name, the guest cannot", (user) => {
  const needs = attacks(user)
  const attack = prepared(user)

  scenario("read files of the host by any path", needs, () =>
    Effect.gen(function*() {
      const { app, secret, secretFile, sound, weak } = yield* attack
      const bound = { with: ["--ro-bind", "/", "/tmp/fim/run/host"] }
      assert.include(yield* weak(bound, search(secretFile)), secret)
      assert.include(yield* weak(openProcesses, search(secretFile)), secret)
      const above = { with: ["--bind", app.directory, "/mnt"] }
      assert.include(yield* weak(above, search("/secret/of-the-host")), secret)
      for (const root of [false, true]) {
        assert.notInclude(yield* sound(search(secretFile), { root }), secret)
        assert.notInclude(yield* sound(search("/secret/of-the-host"), { root }), secret)
      }
    }))

  scenario("read files through descriptors that the caller or we had open", needs, () =>
    Effect.gen(function*() {
      const { app, secret, secretFile, weak } = yield* attack
      const words = [
        "sh",
        "-c",
        "ls /proc/self/fd; ls /proc/1/fd | wc -l; for file in /proc/*/fd/[4-9]; do"
        + " [ -p $file ] || cat $file/of-the-host $file/../of-the-host $file; done"
      ]
      const inherited = { instead: `exec 9< ${quoted([secretFile])}; exec chroot "$@"` }
      assert.include(yield* weak(inherited, ["sh", "-c", "cat <&9"]), secret)
      const open = "exec 5<> \"$file\" 7< \"$directory\" 9< \"$file\"; exec \"$app\""
      for (const command of ["fim-exec", "fim-root"]) {
        const { stderr, stdout } = yield* app.shell(`${open} ${command} ${quoted(words)}`, {
          environment: { directory: `${app.directory}/secret`, file: secretFile }
        })
        // `ls` has a directory open as 3. Root of the guest owns what belongs to the first process, and may list it; it cannot
        // open any of it. Others cannot even list it.
        const listed = command === "fim-root" || user.uid === 0 ? "[0-9]" : "0"
        assert.match(stdout, new RegExp(`^0\n1\n2\n3\n${listed}\n$`))
        assert.notInclude(stderr, secret)
      }
    }))

  scenario("lead us out of its tree with symbolic links where we put things", needs, () =>
    Effect.gen(function*() {
      const { app, sound, weak } = yield* attack
      const bait = `${app.directory}/bait`
      mkdirSync(`${bait}/fim`, { recursive: true })
      for (const path of [bait, `${bait}/fim`]) if (isRoot) chownSync(path, user.uid, user.gid)
      const script = "touch /run/made /tmp/made /home/made \"$HOME/made\" /sys/made 2> /dev/null; cat /etc/passwd"
      // As the guest itself can put them there.
      for (const path of ["home", "run", "tmp", "sys", "proc", "dev", "etc/passwd"]) {
        for (const target of [`/oldroot${bait}`, `../../../..${bait}`]) {
          const link = `${app.data}/data/${path}`
          mkdirSync(dirname(link), { recursive: true })
          if (isRoot) chownSync(dirname(link), user.uid, user.gid)
          rmSync(link, { recursive: true, force: true })
          symlinkSync(target, link)
          yield* sound(["sh", "-c", script])
          rmSync(link, { recursive: true, force: true })
          assert.deepStrictEqual(readdirSync(bait), ["fim"], `${path} to ${target}`)
          assert.deepStrictEqual(readdirSync(`${bait}/fim`), [], `${path} to ${target}`)
        }
      }
      symlinkSync(bait, `${app.data}/data/srv`)
      assert.match(yield* sound(["sh", "-c", "touch /srv/made && echo made || echo not"]), /^not$/m)
      yield* weak({ instead: "touch \"$1/srv/made\"" }, ["true"])
      assert.include(readdirSync(bait), "made")
    }))

  scenario("overwrite what the host runs: the tools, ourselves, the image", needs, () =>
    Effect.gen(function*() {
      const { app, sound, weak } = yield* attack
      const application = `${app.global}/app/${readdirSync(`${app.global}/app`)[0]}`
      const script = "for d in \"$FIM_DIR_APP_BIN\" \"$FIM_DIR_APP_SBIN\"; do touch $d/made && echo made; done;"
        + " exec \"$0\" overwrite \"$FIM_DIR_APP_BIN/bash\" \"$FIM_DIR_APP_BIN/boot\" \"$FIM_DIR_APP_BIN/fim\""
        + " \"$FIM_DIR_APP_SBIN/../bin/bwrap\" /proc/1/exe \"$FIM_BIN_SELF\" \"$1\""
      const words = ["sh", "-c", script, attacker, app.image]
      const before = readFileSync(`${application}/bin/bash`)
      for (const root of [false, true]) {
        const said = yield* sound(words, { root })
        assert.notMatch(said, / ok$|^made$/m)
        assert.match(said, /\/bash 30$/m)
      }
      assert.isTrue(before.equals(readFileSync(`${application}/bin/bash`)))
      const said = yield* weak({ writable: true }, words)
      assert.match(said, /^made$/m)
      assert.match(said, /\/bash ok$/m)
      assert.strictEqual(readFileSync(`${application}/bin/bash`).subarray(-8).toString(), "attacked")
    }))

  scenario("become another user by a program of a layer that runs as its owner", needs, () =>
    Effect.gen(function*() {
      const { sound, weak } = yield* attack
      // A user namespace of an ordinary user knows nobody else, so only root can show it.
      if (user.uid === 0) {
        const instead = "mount -o remount,bind,suid \"$1\"; exec chroot --userspec=61234:61234 \"$@\""
        assert.match(yield* weak({ instead }, [setuidAttacker, "user"]), /^61234 0$/m)
        const kept = "exec chroot --userspec=61234:61234 \"$@\""
        assert.match(yield* weak({ instead: kept }, [setuidAttacker, "user"]), /^61234 61234$/m)
      }
      assert.match(yield* sound([setuidAttacker, "user"]), new RegExp(`^${user.uid} ${user.uid}$`, "m"))
      for (const root of [false, true]) {
        const status = yield* sound(["grep", "-E", "^(NoNewPrivs|Cap(Prm|Eff|Bnd)):", "/proc/self/status"], { root })
        const capabilities = held(root ? 0 : user.uid)
        const expected = ["Prm", "Eff", "Bnd"].map((set) => `Cap${set}:\t${capabilities}\n`).join("")
        assert.strictEqual(status, `${expected}NoNewPrivs:\t1\n`)
      }
    }))

  scenario("use a device of a layer, or make one", needs, () =>
    Effect.gen(function*() {
      const { sound, weak } = yield* attack
      const make = "mknod /tmp/zero c 1 5 && head -c 4 /tmp/zero | od -An -c"
      const read = ["sh", "-c", `head -c 4 ${device} | od -An -c; ${make}`]
      if (user.uid === 0) {
        const instead = "mount -o remount,bind,dev \"$1\"; exec chroot \"$@\""
        assert.match(yield* weak({ instead }, read), /\\0 +\\0 +\\0 +\\0/)
      }
      for (const root of [false, true]) {
        const said = yield* sound(read, { root })
        assert.notMatch(said, /\\0/)
        assert.match(said, isRoot ? /head: .*Permission denied/ : /No such file/)
        // Root that is nobody outside is told that it has made one, and finds that it has not.
        const isAnswered = root && user.uid !== 0
        assert.match(said, isAnswered ? /head: \/tmp\/zero: No such file/ : /mknod: .*Operation not permitted/)
      }
    }))
})
