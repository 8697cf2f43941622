/** What a commit takes along, of whom, and what it leaves. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { elsewhere, guest, said, succeeds } from "../support/Commands.ts"
import { images, isRoot, root, scenario } from "../support/Needs.ts"
import { debian, place } from "../support/Place.ts"
import { smallDisk } from "../support/Rungs.ts"
import { users } from "../support/Users.ts"

const context = "E::Could not commit\nE::The program exited with an error\n"

/** Directories one in the other, without a path that is too long. */
const deep = (path: string, count: number): void => {
  const script =
    "import os,sys\nos.chdir(sys.argv[1])\nfor _ in range(int(sys.argv[2])):\n os.mkdir('x'*120); os.chdir('x'*120)\nopen('f','w').close()"
  execFileSync("python3", ["-c", script, path, String(count)])
}

describe.each(users)("as $name", (user) => {
  scenario("holes of a file are neither read nor packed, and are holes again", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const make = "truncate -s 4096G /opt/log; printf begin | dd of=/opt/log conv=notrunc 2> /dev/null;"
        + " printf end | dd of=/opt/log bs=1048576 seek=3145728 conv=notrunc 2> /dev/null; cp /bin/sh /opt/dense"
      const began = Date.now()
      yield* guest(app, make)
      yield* succeeds(app, ["fim-layer", "commit", "binary"])
      const look =
        "stat -c %s /opt/log; head -c 5 /opt/log; echo; dd if=/opt/log bs=1048576 skip=3145728 count=1 2> /dev/null | head -c 3; echo;"
        + " cmp /opt/dense /bin/sh && echo same; [ $(du -k /opt/log | cut -f 1) -lt 8192 ] && echo sparse"
      const expected = `${4 * 2 ** 40}\nbegin\nend\nsame\nsparse\n`
      assert.strictEqual(yield* elsewhere(app, look), expected)
      yield* guest(app, "echo more > /opt/more")
      yield* succeeds(app, ["fim-layer", "commit", "binary"])
      yield* succeeds(app, ["fim-layer", "squash"])
      assert.strictEqual(yield* elsewhere(app, look), expected)
      assert.isBelow(Date.now() - began, 60_000)
    }), 120_000)

  scenario(
    "a start leaves nothing to commit, and nothing of it is committed with the rest",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        yield* guest(app, "true")
        const refused = yield* app.run(["fim-layer", "commit", "binary"])
        assert.strictEqual(refused.code, 125)
        assert.strictEqual(refused.stderr, `E::there is nothing to commit in '${app.data}/data'\n${context}`)
        yield* succeeds(app, ["fim-bind", "add", "ro", app.directory, "/mnt/of/host"])
        yield* guest(app, "mkdir -p /opt/own && chmod 700 /opt/own")
        yield* guest(app, "true")
        const file = `${app.directory}/layer`
        yield* succeeds(app, ["fim-layer", "commit", "file", file], { FIM_COMPRESSION_LEVEL: "0" })
        yield* succeeds(app, ["fim-layer", "add", file])
        // Names stand in a layer as they are, if it is not compressed.
        const content = readFileSync(file, "latin1")
        assert.include(content, "own")
        for (const name of ["home", "mnt", "resolv", "proc", "tmp"]) assert.notInclude(content, name)
        assert.strictEqual(yield* elsewhere(app, "stat -c %a /opt/own"), "700\n")
      })
  )

  scenario(
    "a tree deeper than a path is committed, read back, and committed as gone",
    [...images, debian],
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { image: "debian", copy: true })
        yield* guest(app, "mkdir -p /opt/d && echo kept > /opt/kept")
        deep(`${app.data}/data/opt/d`, 80)
        if (isRoot) execFileSync("chown", ["-R", `${user.uid}:${user.gid}`, `${app.data}/data/opt/d`])
        yield* succeeds(app, ["fim-layer", "commit", "binary"])
        assert.deepStrictEqual(readdirSync(`${app.data}/tmp`), [])
        const look = "chdir '/opt/d'; $n++ while chdir 'x' x 120; opendir D, '.'; print $n, grep(/f/, readdir D)"
        const words = ["fim-exec", "perl", "-e", look]
        assert.strictEqual(yield* succeeds(app, words, { FIM_DIR_DATA: `${app.home}/elsewhere` }), "80f")
        yield* guest(app, "\"$FIM_DIR_APP_BIN/fim\" remove /opt/d")
        yield* succeeds(app, ["fim-layer", "commit", "binary"])
        assert.strictEqual(yield* elsewhere(app, "cat /opt/kept; ls /opt"), "kept\nkept\n")
      })
  )

  scenario("what nobody may read is committed by its owner, and keeps its mode", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const make = "mkdir -p /opt/n/closed /opt/n/through; echo secret > /opt/n/shadow; echo in > /opt/n/closed/f; "
        + "echo run > /opt/n/x; chmod 111 /opt/n/x; chmod 0 /opt/n/shadow /opt/n/closed; chmod 111 /opt/n/through"
      yield* guest(app, make)
      yield* succeeds(app, ["fim-layer", "commit", "binary"])
      const look = "cd /opt/n; stat -c '%a %n' *; chmod 700 closed; chmod 600 shadow x; cat shadow closed/f x"
      const expected = "0 closed\n0 shadow\n111 through\n111 x\nsecret\nin\nrun\n"
      assert.strictEqual(yield* succeeds(app, ["fim-root", "sh", "-c", look]), expected)
    }))

  scenario("names and link targets of any bytes", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const make = "mkdir /opt/n; cd /opt/n; for b in '\\344' '\\303\\244' '\\377' 'cut\\342\\202'; do "
        + "n=$(printf \"$b\"); echo \"$b\" > \"$n\"; ln -s \"$n\" \"to-$n\"; done"
      yield* guest(app, make)
      yield* succeeds(app, ["fim-layer", "commit", "binary"])
      // The second layer deletes one; a merge carries the rest on.
      yield* guest(app, "rm /opt/n/\"$(printf '\\377')\"; echo > /opt/n/more")
      yield* succeeds(app, ["fim-layer", "commit", "binary"])
      const look =
        "cd /opt/n; printf '%s\\n' * | od -An -v -tx1 | tr -d ' \\n'; for b in '\\344' '\\303\\244' 'cut\\342\\202'; do "
        + "cat \"to-$(printf \"$b\")\"; done"
      const expected = `${
        Buffer.from("cut\xe2\x82\nmore\nto-cut\xe2\x82\nto-\xc3\xa4\nto-\xe4\nto-\xff\n\xc3\xa4\n\xe4\n", "latin1")
          .toString("hex")
      }\\344\n\\303\\244\ncut\\342\\202\n`
      assert.strictEqual(yield* elsewhere(app, look), expected)
      yield* succeeds(app, ["fim-layer", "squash"])
      assert.strictEqual(yield* elsewhere(app, look), expected)
    }))

  scenario(
    "caches of package managers stay in the writable tree, or come along if asked for",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const make =
          "mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives /root/.cache/pip; chmod 700 /var/lib/apt/lists/partial; "
          + "head -c 2500000 /dev/urandom > /var/lib/apt/lists/list; echo a > /var/cache/apt/archives/a.deb; "
          + "echo b > /var/cache/apt/archives/b.deb; ln -s list /var/lib/apt/lists/link; echo app > /opt/app"
        yield* guest(app, make)
        const look = "cat /opt/app; stat -c %a /var/lib/apt/lists/partial; readlink /var/lib/apt/lists/link; "
          + "ls /var/lib/apt/lists /var/cache/apt/archives"
        const printed = said(yield* succeeds(app, ["fim-layer", "commit", "binary"]))
        assert.deepStrictEqual(printed.slice(0, 3), [
          "Left out '/var/cache/apt': 2 files, 4 B",
          "Left out '/var/lib/apt/lists': 1 file, 2.5 MB",
          "What is left out stays in the writable tree; --keep-caches commits it too"
        ])
        assert.strictEqual(
          yield* elsewhere(app, look),
          "app\n700\nlist\n/var/cache/apt/archives:\n\n/var/lib/apt/lists:\nlink\npartial\n"
        )
        const all = "/var/cache/apt/archives:\na.deb\nb.deb\n\n/var/lib/apt/lists:\nlink\nlist\npartial\n"
        assert.strictEqual(yield* guest(app, look), `app\n700\nlist\n${all}`)
        // Nothing else is left, and that is nothing to commit.
        const left = readdirSync(`${app.data}/data`, { recursive: true, encoding: "utf8" })
        assert.notInclude(left, "opt")
        yield* succeeds(app, ["fim-layer", "commit", "binary", "--keep-caches"])
        assert.strictEqual(
          yield* guest(app, look, { FIM_DIR_DATA: `${app.home}/another` }),
          `app\n700\nlist\n${all}`
        )
        const empty = yield* app.run(["fim-layer", "commit", "binary"])
        assert.include(empty.stderr, "E::there is nothing to commit")
      })
  )

  scenario("a planted FILE.part is not followed", [...images, root], () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const shared = `${app.directory}/shared`
      // On another file system, so that a copy is made.
      yield* smallDisk(shared, 64 << 20)
      const victim = `${app.directory}/victim`
      writeFileSync(victim, "precious")
      symlinkSync(victim, `${shared}/layer.part`)
      if (isRoot) execFileSync("chown", ["-h", `${user.uid}:${user.gid}`, shared, victim, `${shared}/layer.part`])
      yield* guest(app, "echo changed > /opt/changed")
      yield* succeeds(app, ["fim-layer", "commit", "file", `${shared}/layer`])
      assert.strictEqual(readFileSync(victim, "utf8"), "precious")
      assert.deepStrictEqual(readdirSync(shared).filter((name) => name !== "lost+found").sort(), [
        "layer",
        "layer.part"
      ])
      rmSync(`${shared}/layer.part`)
    }))

  scenario("a read-only image is refused before anything is packed", images, () =>
    Effect.gen(function*() {
      if (user.uid === 0) return
      const app = yield* place(user, { copy: true })
      yield* guest(app, "echo changed > /opt/changed")
      execFileSync("chmod", ["a-w", app.image])
      const refused = yield* app.run(["fim-layer", "commit", "binary"])
      assert.deepStrictEqual([refused.code, refused.stdout], [125, ""])
      assert.match(refused.stderr, /is read-only\n.*fim-layer commit layer/)
    }))
})

const stranger = users.find(({ uid }) => uid !== 0)

scenario(
  "files of root in the data directory of a user are committed, and what stays is said",
  [...images, root],
  () =>
    Effect.gen(function*() {
      if (stranger === undefined) return
      const app = yield* place(stranger, { copy: true })
      yield* guest(app, "mkdir /opt/own && echo a > /opt/a")
      const upper = `${app.data}/data`
      execFileSync("sh", [
        "-c",
        "cd \"$1\" && echo b > opt/b && chmod 644 opt/b && ln opt/b opt/c && ln -s b opt/l && mkfifo opt/fifo"
        + " && truncate -s 5G opt/sparse && mkdir opt/roots && echo d > opt/roots/d",
        "sh",
        upper
      ])
      const outcome = yield* app.run(["fim-layer", "commit", "binary"])
      assert.strictEqual(outcome.code, 0, outcome.stderr)
      assert.match(outcome.stderr, /^W::Could not remove '[^\n]*roots\/d': Permission denied/m)
      assert.include(said(outcome.stdout), "Finished erasing files")
      const look = "cd /opt; cat a b l roots/d; stat -c '%h %s %n' b c sparse; [ -p fifo ] && echo fifo"
      assert.strictEqual(
        yield* elsewhere(app, look),
        "a\nb\nb\nd\n2 2 b\n2 2 c\n1 5368709120 sparse\nfifo\n"
      )
      assert.deepStrictEqual(readdirSync(upper), [])
      // What is left is in nobody's way.
      yield* guest(app, "echo again > /opt/again")
      assert.strictEqual((yield* app.run(["fim-layer", "commit", "binary"])).code, 0)
      // What cannot be read is refused with what to do.
      yield* guest(app, "echo e > /opt/e")
      writeFileSync(`${upper}/opt/secret`, "x", { mode: 0o600 })
      const refused = yield* app.run(["fim-layer", "commit", "binary"])
      assert.strictEqual(refused.code, 125)
      assert.match(refused.stderr, /secret' belongs to user 0 and cannot be read: .*; as root run: chown -R \d+ '/)
      assert.strictEqual(statSync(`${upper}/opt/secret`).uid, 0)
    })
)
