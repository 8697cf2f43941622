/**
 * What another user of the machine can prepare for root and for an ordinary user: names in a directory in which everybody may
 * make some, a home that is kept through `sudo`, a namespace of his own.
 */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { images, program, root, scenario } from "../../support/Needs.ts"
import { asOther, other, shared } from "../../support/OtherUser.ts"
import { place } from "../../support/Place.ts"
import * as Process from "../../support/Process.ts"
import { ordinary, self, type User } from "../../support/Users.ts"

const needs = [...images, root]
const victims: ReadonlyArray<User> = [self, ordinary]

/** The other user's data directory beside an image, as if he had run it there. */
const plant = (directory: string, script: string, variables: Readonly<Record<string, string>> = {}): string => {
  const data = `${directory}/.app.flatimage.data`
  asOther(`mkdir -p "$data/data" "$data/work" "$data/layers" "$data/tmp"; cd "$data"; chmod 777 . *; ${script}`, {
    data,
    ...variables
  })
  return data
}

/** What a start has to say of a data directory that it does not use. */
const passedOver = /^W::Data directory '.*' cannot be used.*: '.*' belongs to the user .*FIM_DIR_DATA/m

const hello = ["fim-exec", "sh", "-c", "echo hello; cat /evil 2> /dev/null; echo kept > /kept"]

const kept = (outcome: Process.Outcome) => [outcome.code, outcome.stdout, outcome.stderr]

describe.each(victims)("as $name, another user cannot", (user) => {
  scenario(
    "have his data directory used, in a directory in which he can make names",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { directory, image } = shared(app)
        const data = plant(directory, "echo planted > data/evil; chmod 666 data/evil")
        const outcome = yield* app.run(hello, { program: image })
        assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "hello\n"])
        assert.match(outcome.stderr, passedOver)
        assert.deepStrictEqual(readdirSync(`${data}/data`), ["evil"])
        assert.deepStrictEqual(readdirSync(`${data}/work`), [])
        const own = `${app.home}/.local/share/flatimage/.app.flatimage.data`
        assert.isTrue(existsSync(`${own}/data/kept`))
        assert.strictEqual(statSync(own).mode & 0o7777, 0o700)
      })
  )

  scenario(
    "have a program of his started in a namespace of his",
    [...needs, program("perl")],
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { directory, image } = shared(app)
        yield* app.run(["fim-exec", "true"], { program: image, environment: { FIM_DIR_DATA: `${app.home}/first` } })
        // What a record looks like he knows from his own.
        const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; sleep 60"], {
          program: image,
          environment: { FIM_DIR_DATA: `${app.home}/second` }
        })
        yield* running.says(/ready/)
        const name = readdirSync(`${app.home}/second/work`).find((name) => name.endsWith(".holder")) ?? ""
        const record = JSON.parse(readFileSync(`${app.home}/second/work/${name}`, "utf8")) as Record<string, unknown>
        yield* running.signal("SIGTERM")
        const proof = `${app.home}/proof`
        const [application = ""] = readdirSync(`${app.global}/app`)
        const lib = `${app.global}/app/${application}/lib`
        const evil = `${directory}/evil`
        // As older programs have made it, for all to look into.
        chmodSync(`${app.global}/app`, 0o755)
        asOther(
          `mkdir "$evil" "$evil/lib" "$evil/root"; cp -r "$lib/." "$evil/lib"
        for name in "$evil"/lib/ld-linux*; do rm "$name"; printf '#!/bin/sh\\nid -u > %s\\n' "$proof" > "$name"; chmod 755 "$name"; done`,
          { evil, lib, proof }
        )
        const holder = yield* Process.start(
          other.command([
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-euc",
            "mount --bind \"$0/lib\" \"$1\"; echo bound; exec sleep 60",
            evil,
            lib
          ], "/"),
          { environment: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } }
        )
        yield* holder.says(/bound/)
        const stat = readFileSync(`/proc/${holder.pid}/stat`, "utf8")
        const start = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19])
        const planted = {
          ...record,
          holder: holder.pid,
          start,
          driver: null,
          merged: `${evil}/root`,
          lasts: true,
          trees: []
        }
        const data = plant(directory, "printf %s \"$record\" > work/0.holder; : > work/lock; chmod 666 work/*", {
          record: JSON.stringify(planted)
        })
        const lock = yield* Process.start(
          other.command([
            "perl",
            "-e",
            "use Fcntl; $| = 1; open F, '+<', $ARGV[0] or die; my $lock = pack('s s x4 q q i x4', F_RDLCK, 0, 0, 1, 0); fcntl(F, F_SETLK, $lock) or die; print 'locked'; sleep 60",
            `${data}/work/lock`
          ], "/"),
          { environment: { PATH: "/usr/bin:/bin" } }
        )
        yield* lock.says(/locked/)
        const outcome = yield* app.run(["fim-exec", "echo", "hello"], { program: image })
        assert.isFalse(existsSync(proof), "his program ran")
        assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "hello\n"])
        assert.match(outcome.stderr, passedOver)
      })
  )

  scenario(
    "have a directory of the host shown as the root of a guest",
    [...needs, program("perl")],
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { directory, image } = shared(app)
        const environment = { FIM_DIR_DATA: `${app.home}/data` }
        const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; sleep 60"], {
          program: image,
          environment
        })
        yield* running.says(/ready/)
        const work = `${app.home}/data/work`
        const name = readdirSync(work).find((name) => name.endsWith(".holder")) ?? ""
        const record = JSON.parse(readFileSync(`${work}/${name}`, "utf8")) as Record<string, unknown>
        // The same names as his running instance, so that no program but the record is wrong.
        const planted = JSON.stringify({ ...record, merged: "/tmp" })
        plant(directory, "printf %s \"$planted\" > \"work/$name\"; : > work/lock; chmod 666 work/*", { planted, name })
        const outcome = yield* app.run(["fim-exec", "sh", "-c", "ls -d /fim-test-* 2> /dev/null; echo hello"], {
          program: image
        })
        assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "hello\n"])
        // Even a record that the caller himself has written is not joined with a path that we would not have chosen.
        writeFileSync(`${work}/${name}`, planted)
        const own = yield* app.run(["fim-exec", "echo", "joined"], { program: image, environment })
        assert.deepStrictEqual([own.code, own.stdout], [125, ""])
        assert.match(own.stderr, /is in use by an instance/)
      }),
    90_000
  )

  scenario("have files made, overwritten or removed through links", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const { directory, image } = shared(app)
      const target = `${app.home}/precious`
      mkdirSync(target)
      chownSync(target, user.uid, user.gid)
      writeFileSync(`${target}/file`, "precious\n")
      chownSync(`${target}/file`, user.uid, user.gid)
      const data = plant(
        directory,
        "ln -s \"$target/made\" work/lock; ln -s \"$target/file\" work/start.part; ln -s \"$target\" work/d1; ln -s \"$target\" work/1.holder",
        { target }
      )
      const { code } = yield* app.run(["fim-exec", "true"], { program: image })
      assert.strictEqual(code, 0)
      // Links in the place of the directories themselves, with everything of a data directory behind them.
      for (const room of ["data", "work", "layers", "tmp"]) {
        asOther("rm -rf \"$data/$room\"; ln -s \"$target\" \"$data/$room\"", { data, room, target })
        assert.strictEqual((yield* app.run(["fim-exec", "true"], { program: image })).code, 0)
        asOther("rm \"$data/$room\"; mkdir \"$data/$room\"", { data, room })
      }
      // And of the data directory as a whole.
      asOther("rm -rf \"$data\"; ln -s \"$target\" \"$data\"", { data, target })
      assert.strictEqual((yield* app.run(["fim-exec", "true"], { program: image })).code, 0)
      assert.deepStrictEqual(readdirSync(target), ["file"])
      assert.strictEqual(readFileSync(`${target}/file`, "utf8"), "precious\n")
    }), 60_000)

  scenario("have his layers run, or his files committed", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const { directory, image } = shared(app)
      plant(directory, "echo planted > data/evil; cp \"$image\" layers/layer-1.layer; chmod 644 layers/*", { image })
      const list = yield* app.run(["fim-layer", "list"], { program: image })
      assert.notInclude(list.stdout, "layer-1.layer")
      assert.match(list.stderr, passedOver)
      const commit = yield* app.run(["fim-layer", "commit", "binary"], { program: image })
      assert.strictEqual(commit.code, 125)
      assert.match(commit.stderr, passedOver)
      assert.match(commit.stderr, /nothing to commit/)
    }))

  scenario("have a layer written over a file through a link beside its target", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const { directory } = shared(app)
      const precious = `${app.home}/precious`
      writeFileSync(precious, "precious\n")
      chownSync(precious, user.uid, user.gid)
      asOther("ln -s \"$precious\" \"$directory/out.layer.part\"", { precious, directory })
      yield* app.run(["fim-exec", "sh", "-c", "echo x > /x"])
      // On another file system than the data directory, so that it has to be copied.
      const script = `mount -t tmpfs -o mode=1777 tmpfs "$0" && ln -s "$1" "$0/out.layer.part" && shift && "$@"`
      const words = user.command([app.image, "fim-layer", "commit", "file", `${directory}/out.layer`], app.directory)
      const outcome = yield* Process.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script, directory, precious, ...words],
        { environment: app.environment, directory: "/" }
      )
      assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
      assert.strictEqual(readFileSync(precious, "utf8"), "precious\n")
    }))

  scenario(
    "have his directories used by a choice of the caller's, which is refused with what to type",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const open = `${app.directory}/open`
        mkdirSync(open)
        chownSync(open, user.uid, user.gid)
        chmodSync(open, 0o777)
        const foreign = `${app.directory}/foreign`
        mkdirSync(foreign)
        chownSync(foreign, other.uid, other.gid)
        const link = `${app.directory}/link`
        symlinkSync("home", link)
        asOther("exit 0")
        const cases = {
          [`${open}/data`]: /other users can write to '.*\/open'; to use it: chmod go-w .*\/open/,
          [`${foreign}/data`]: /'.*\/foreign' belongs to the user/
        }
        for (const [data, reason] of Object.entries(cases)) {
          for (const words of [["fim-exec", "true"], ["fim-layer", "commit", "layer"]]) {
            const outcome = yield* app.run(words, { environment: { FIM_DIR_DATA: data } })
            assert.deepStrictEqual([data, outcome.code, outcome.stdout], [data, 125, ""])
            assert.match(outcome.stderr, reason)
          }
          assert.isFalse(existsSync(data))
        }
        // A link of the caller's leads where he wants it to.
        const linked = yield* app.run(["fim-exec", "true"], { environment: { FIM_DIR_DATA: `${link}/data` } })
        assert.deepStrictEqual([linked.code, linked.stderr], [0, ""])
        // The same link, of the other user, in a directory in which he can make names.
        const { directory } = shared(app)
        asOther("ln -s \"$home\" \"$directory/link\"", { home: app.home, directory })
        const followed = yield* app.run(["fim-exec", "true"], {
          environment: { FIM_DIR_DATA: `${directory}/link/data` }
        })
        assert.strictEqual(followed.code, 125)
        assert.match(followed.stderr, /'.*\/shared\/link' belongs to the user/)
      })
  )

  scenario("read what the guest has written", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const outcome = yield* app.shell("umask 000; \"$app\" fim-exec sh -c 'echo secret > /secret'")
      assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
      assert.strictEqual(statSync(app.data).mode & 0o7777, 0o700)
      for (const [room, mode] of [["data", 0o755], ["work", 0o700], ["layers", 0o700], ["tmp", 0o700]] as const) {
        assert.deepStrictEqual([room, lstatSync(`${app.data}/${room}`).mode & 0o7777], [room, mode])
      }
      assert.throws(() => asOther("cat \"$data/data/secret\"", { data: app.data }))
    }))

  scenario(
    "or anybody put another tool in the place of one without its being unpacked again",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true })
        yield* app.run(["fim-exec", "true"])
        const [application = ""] = readdirSync(`${app.global}/app`)
        const tool = `${app.global}/app/${application}/bin/bash`
        const before = statSync(tool)
        const bytes = readFileSync(tool)
        const evil = Buffer.from("#!/bin/sh\necho evil\n".padEnd(bytes.length, "\n"))
        // With the size, mode, owner and times of the right one.
        rmSync(tool)
        writeFileSync(tool, evil)
        chmodSync(tool, before.mode)
        chownSync(tool, user.uid, user.gid)
        utimesSync(tool, before.atime, before.mtime)
        const outcome = yield* app.run(["-c", "echo whole"])
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "whole\n", ""])
        assert.isTrue(readFileSync(tool).equals(bytes))
      })
  )
})

describe("as root, another user cannot", () => {
  scenario("have his home used through sudo", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(self)
      const home = `${app.directory}/his`
      mkdirSync(home)
      chownSync(home, other.uid, other.gid)
      const precious = `${app.home}/precious`
      const data = `${home}/.local/share/flatimage`
      asOther("mkdir -p \"$data\"", { data })
      const planted = plant(data, "ln -s \"$precious\" work/lock", { precious })
      // Where nothing can be written beside the image. What the database of users has as the home of root is the test's.
      const script = `mount --bind "$0" "$0"; mount --bind "$1" /root; mount -o remount,bind,ro "$0"; shift; exec "$@"`
      const outcome = yield* Process.run(
        [
          "unshare",
          "--mount",
          "--propagation",
          "private",
          "sh",
          "-euc",
          script,
          app.directory,
          app.global,
          app.image,
          ...hello
        ],
        { environment: { ...app.environment, HOME: home }, directory: "/" }
      )
      assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "hello\n"])
      assert.match(outcome.stderr, passedOver)
      assert.isFalse(existsSync(precious))
      assert.deepStrictEqual(readdirSync(`${planted}/data`), [])
      assert.isTrue(existsSync(`${app.global}/.local/share/flatimage/.app.flatimage.data/data/kept`))
    }))

  scenario("have root believe what lies beside his image in /tmp", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(self, { copy: true })
      const { directory, image } = shared(app, other.uid)
      plant(directory, "echo planted > data/evil")
      const outcome = yield* app.run(hello, { program: image })
      assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "hello\n"])
      assert.match(outcome.stderr, passedOver)
      // In a directory that is his there is no place beside it at all.
      rmSync(`${directory}/.app.flatimage.data`, { recursive: true })
      chownSync(directory, other.uid, other.gid)
      chmodSync(directory, 0o755)
      const quiet = yield* app.run(hello, { program: image })
      assert.deepStrictEqual([quiet.code, quiet.stdout, quiet.stderr], [0, "hello\n", ""])
      assert.deepStrictEqual(readdirSync(directory), ["app.flatimage"])
    }))
})

describe("an ordinary user", () => {
  scenario(
    "hears that root has made the data directory beside the image, and gets another one",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        mkdirSync(`${app.data}/data`, { recursive: true })
        mkdirSync(`${app.data}/work`)
        const outcome = yield* app.run(hello)
        assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "hello\n"])
        assert.match(outcome.stderr, passedOver)
      })
  )

  for (const mode of [0o755, 0o775, 0o2775, 0o700]) {
    scenario(
      `keeps data in a directory of mode ${mode.toString(8)} with a group of his own`,
      needs,
      () =>
        Effect.gen(function*() {
          const app = yield* place(ordinary)
          chmodSync(app.directory, mode)
          assert.deepStrictEqual(kept(yield* app.run(hello)), [0, "hello\n", ""])
          assert.isTrue(existsSync(`${app.data}/data/kept`))
        })
    )
  }

  scenario(
    "keeps data in a directory in which everybody may make names, if they are his",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        const { directory, image } = shared(app)
        for (let round = 0; round < 2; round++) {
          assert.deepStrictEqual(kept(yield* app.run(hello, { program: image })), [0, "hello\n", ""])
        }
        assert.isTrue(existsSync(`${directory}/.app.flatimage.data/data/kept`))
      })
  )

  scenario("keeps data in a group's directory only if the group is accepted", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      // A group that has members on every machine.
      const line = readFileSync("/etc/passwd", "utf8").split("\n").find((line) => Number(line.split(":")[3]) > 0)
      const gid = Number(line?.split(":")[3])
      chownSync(app.directory, ordinary.uid, gid)
      chmodSync(app.directory, 0o775)
      mkdirSync(app.data)
      chownSync(app.data, ordinary.uid, ordinary.gid)
      const outcome = yield* app.run(hello)
      assert.strictEqual(outcome.code, 125)
      assert.match(outcome.stderr, /the group \S+ \(.*\) can write to '.*'; to use it: chmod g-w .*FIM_TRUST_GROUP=/)
      const name = /FIM_TRUST_GROUP=(\S+)/.exec(outcome.stderr)?.[1] ?? ""
      const accepted = yield* app.run(hello, { environment: { FIM_TRUST_GROUP: name } })
      assert.deepStrictEqual(kept(accepted), [0, "hello\n", ""])
    }))

  const inside = ["unshare", "--user", "--map-root-user", "--mount"]

  scenario("keeps data in a user namespace, as root of it and in a chroot of it", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary, { fresh: true })
      const run = (words: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}) =>
        Process.run(ordinary.command(words, app.directory), {
          environment: { ...app.environment, ...environment },
          directory: "/"
        })
      assert.deepStrictEqual(kept(yield* run([...inside, app.image, ...hello])), [0, "hello\n", ""])
      assert.isTrue(existsSync(`${app.data}/data/kept`))
      const script = `mkdir -p "$0/proc" "$0/dev" "$0/tmp"; mount --bind "$0" "$0"; mount --rbind /proc "$0/proc"
        mount --rbind /dev "$0/dev"; exec chroot "$0" /app.flatimage "$@"`
      const rooted = yield* run([...inside, "sh", "-euc", script, app.directory, ...hello], {
        FIM_DIR_GLOBAL: "/global",
        FIM_DIR_DATA: "/data",
        HOME: "/home"
      })
      assert.deepStrictEqual(kept(rooted), [0, "hello\n", ""])
      assert.isTrue(existsSync(`${app.directory}/data/data/kept`))
    }), 60_000)
})
