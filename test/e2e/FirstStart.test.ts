import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { processesIn } from "../support/Leftovers.ts"
import { inMounts } from "../support/Mounts.ts"
import { images, isRoot, root, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { ordinary, users } from "../support/Users.ts"

const applicationOf = (app: Place): string => {
  const isBuild = (name: string) => existsSync(`${app.global}/app/${name}/tools.json`)
  return `${app.global}/app/${readdirSync(`${app.global}/app`).find(isBuild)}`
}

const notesOf = (app: Place): ReadonlyArray<string> =>
  readFileSync(`${applicationOf(app)}/tools.noted`, "utf8").split("\n").slice(0, -1)

/** Waits until the tools that no start needs are unpacked too, which happens beside it. */
const complete = (app: Place): Effect.Effect<void> =>
  Effect.suspend(() =>
    notesOf(app).every((note) => note !== "") ? Effect.void : Effect.andThen(Effect.sleep(5), complete(app))
  )

/** Names of files that an unpacker has not finished. */
const unfinished = (app: Place): ReadonlyArray<string> => {
  const application = applicationOf(app)
  return ["bin", "lib", "sbin", "."].flatMap((room) => readdirSync(`${application}/${room}`)).filter((name) =>
    name.startsWith(".")
  )
}

/** Names of tools that start after start can do without, and whether they are there. */
const later = ["bin/fuse-overlayfs", "bin/unionfs", "bin/mkdwarfs", "lib/libc.so.6"]
const present = (app: Place): ReadonlyArray<string> =>
  later.filter((name) => existsSync(`${applicationOf(app)}/${name}`))

const hello = ["fim-exec", "echo", "hello"]

const said = (outcome: Process.Outcome) => [outcome.code, outcome.stdout, outcome.stderr]

describe.each(users)("as $name, at the first start", (user) => {
  scenario("two at once do not disturb each other", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { fresh: true })
      for (let round = 0; round < 10; round++) {
        const outcomes = yield* Effect.all([app.run(hello), app.run(hello)], { concurrency: 2 })
        for (const outcome of outcomes) assert.deepStrictEqual(said(outcome), [0, "hello\n", ""])
        yield* complete(app)
        assert.deepStrictEqual([unfinished(app), present(app)], [[], later])
        yield* app.isClean
        rmSync(app.global, { recursive: true })
      }
    }))

  scenario(
    "the global directory is made with all that leads to it, for its owner alone to change",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true })
        const global = `${app.home}/some/where/global`
        assert.deepStrictEqual(said(yield* app.run(hello, { environment: { FIM_DIR_GLOBAL: global } })), [
          0,
          "hello\n",
          ""
        ])
        const bin = `${global}/app/${readdirSync(`${global}/app`)[0]}/bin`
        for (const [path, expected] of [[global, 0o700], [`${global}/app`, 0o700], [bin, 0o755]] as const) {
          const { mode, uid } = statSync(path)
          assert.deepStrictEqual([path, uid, mode & 0o7777], [path, user.uid, expected])
        }
      })
  )

  scenario(
    "directories of builds in which nothing has run for a week go, those in use stay",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true })
        const plant = (name: string, days: number) => {
          const path = `${app.global}/app/${name}`
          for (const room of ["bin", "instance"]) mkdirSync(`${path}/${room}`, { recursive: true })
          copyFileSync("/bin/sleep", `${path}/bin/sleep`)
          for (
            const made of [
              app.global,
              `${app.global}/app`,
              path,
              ...["bin", "instance"].map((room) => `${path}/${room}`)
            ]
          ) {
            if (isRoot) chownSync(made, user.uid, user.gid)
          }
          const then = Date.now() / 1000 - days * 24 * 60 * 60
          utimesSync(`${path}/instance`, then, then)
          return path
        }
        const [old, recent, running, strange] = [
          plant("old_1", 8),
          plant("recent_1", 6),
          plant("running_1", 8),
          plant("strange_1", 8)
        ]
        // Of another user, where there is one to give it to.
        if (isRoot) chownSync(strange, user.uid + 1, user.gid)
        const program = `${running}/bin/sleep`
        const sleeper = yield* app.start(["60"], { program })
        while (readlinkSync(`/proc/${sleeper.pid}/exe`) !== program) yield* Effect.sleep(5)
        assert.deepStrictEqual(said(yield* app.run(hello)), [0, "hello\n", ""])
        const left = [old, recent, running].filter((path) => existsSync(path))
        assert.deepStrictEqual(left, [recent, running])
        assert.strictEqual(existsSync(strange), isRoot)
        yield* sleeper.signal("SIGKILL")
        yield* sleeper.exited
        // A warm start looks at nothing but its own.
        assert.deepStrictEqual(said(yield* app.run(hello)), [0, "hello\n", ""])
        assert.isTrue(existsSync(running))
        rmSync(`${applicationOf(app)}/bin/bash`)
        assert.deepStrictEqual(said(yield* app.run(hello)), [0, "hello\n", ""])
        assert.isFalse(existsSync(running))
      })
  )

  scenario(
    "a tool that was removed, cut off or changed in its mode comes back at the next start",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true })
        yield* app.run(hello)
        const application = applicationOf(app)
        const [size, mode] = [statSync(`${application}/bin/bash`).size, statSync(`${application}/bin/bash`).mode]
        const damages: ReadonlyArray<(path: string) => void> = [
          (path) => rmSync(path),
          (path) => truncateSync(path, 1000),
          (path) => chmodSync(path, 0o666),
          (path) => {
            rmSync(path)
            symlinkSync("/bin/sh", path)
          }
        ]
        for (const damage of damages) {
          damage(`${application}/bin/bash`)
          damage(`${application}/lib/libc.so.6`)
          assert.deepStrictEqual(said(yield* app.run(["-c", "echo whole"])), [0, "whole\n", ""])
          const after = statSync(`${application}/bin/bash`)
          assert.deepStrictEqual([after.size, after.mode, after.isFile()], [size, mode, true])
        }
        for (const entry of readdirSync(application, { withFileTypes: true })) {
          if (entry.isFile()) rmSync(`${application}/${entry.name}`)
        }
        assert.deepStrictEqual(said(yield* app.run(hello)), [0, "hello\n", ""])
        rmSync(application, { recursive: true })
        assert.deepStrictEqual(said(yield* app.run(hello)), [0, "hello\n", ""])
      })
  )

  scenario("a global directory that others could change is refused", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { fresh: true })
      const make = (name: string, mode = 0o755) => {
        mkdirSync(`${app.directory}/${name}`)
        chmodSync(`${app.directory}/${name}`, mode)
        if (isRoot) chownSync(`${app.directory}/${name}`, user.uid, user.gid)
        return `${app.directory}/${name}`
      }
      const open = make("open", 0o777)
      const file = `${app.directory}/file`
      writeFileSync(file, "")
      const refused: Record<string, RegExp> = {
        [open]: /other users can write to/,
        [file]: /not a directory|File exists/,
        "relative/path": /must be an absolute path/,
        "/proc/global": /cannot be made/
      }
      if (isRoot) {
        const foreign = make("foreign")
        chownSync(foreign, user.uid + 1, user.gid)
        refused[foreign] = /belongs to the user/
      }
      for (const [path, reason] of Object.entries(refused)) {
        const outcome = yield* app.run(hello, { environment: { FIM_DIR_GLOBAL: path } })
        assert.deepStrictEqual([path, outcome.code, outcome.stdout], [path, 125, ""])
        assert.match(outcome.stderr, reason)
        assert.match(outcome.stderr, /^C::.*FIM_DIR_GLOBAL/)
      }
      assert.deepStrictEqual(readdirSync(open), [])
    }))

  scenario(
    "a directory inside the global one that others could change is refused",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true })
        yield* app.run(hello)
        const application = applicationOf(app)
        for (const path of [`${app.global}/app`, application, `${application}/bin`, `${application}/lib`]) {
          chmodSync(path, 0o777)
          const outcome = yield* app.run(hello)
          assert.deepStrictEqual([path, outcome.code, outcome.stdout], [path, 125, ""])
          assert.match(outcome.stderr, /^C::.*other users can write to.*FIM_DIR_GLOBAL/)
          chmodSync(path, 0o755)
        }
        assert.deepStrictEqual(said(yield* app.run(hello)), [0, "hello\n", ""])
      })
  )

  scenario(
    "what no start needs is unpacked beside it, and a command that needs it waits",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true, copy: true })
        mkdirSync(`${app.home}/tree`)
        if (isRoot) chownSync(`${app.home}/tree`, user.uid, user.gid)
        for (let round = 0; round < 5; round++) {
          assert.deepStrictEqual(said(yield* app.run(hello)), [0, "hello\n", ""])
          yield* complete(app)
          assert.deepStrictEqual(present(app), later)
          // Packing a layer runs one of them, and finds it also where it was taken away meanwhile.
          rmSync(`${applicationOf(app)}/bin/mkdwarfs`)
          rmSync(`${app.home}/layer`, { force: true })
          const packed = yield* app.run(["fim-layer", "create", "tree", "layer"])
          assert.deepStrictEqual([packed.code, packed.stderr], [0, ""])
          rmSync(app.global, { recursive: true })
        }
        for (const overlay of ["overlayfs", "unionfs"]) {
          assert.strictEqual((yield* app.run(["fim-overlay", "set", overlay])).code, 0)
          for (let round = 0; round < 5; round++) {
            rmSync(app.global, { recursive: true })
            const outcome = yield* app.run(["fim-exec", "sh", "-c", "grep ' / ' /proc/self/mounts"])
            assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
            assert.match(outcome.stdout, /fuse/)
            yield* complete(app)
          }
        }
      })
  )

  scenario("whoever is killed over it leaves what the next start completes", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { fresh: true })
      for (let delay = 0; delay < 80; delay += 4) {
        const start = yield* app.start(hello)
        yield* Effect.sleep(delay)
        // The launcher, and whoever unpacks beside it.
        for (const { pid } of processesIn([app.global, app.directory])) {
          yield* Effect.ignore(Effect.try(() => process.kill(pid, "SIGKILL")))
        }
        yield* start.exited
        assert.deepStrictEqual(said(yield* app.run(hello)), [0, "hello\n", ""])
        yield* complete(app)
        assert.deepStrictEqual([unfinished(app), present(app)], [[], later])
        yield* app.isClean
        rmSync(app.global, { recursive: true })
      }
    }))

  const tmpfs = (app: Place, options: string, command = app.command(hello)) =>
    Process.run(
      inMounts(
        `mount -t tmpfs -o ${options} tmpfs "$FIM_DIR_GLOBAL"; chown ${user.uid}:${user.gid} "$FIM_DIR_GLOBAL"; chmod 755 "$FIM_DIR_GLOBAL"`,
        command
      ),
      { environment: app.environment }
    )

  scenario("with room for what a start needs and no more, it starts, and says what it lacks where it needs that", [
    ...images,
    root
  ], () =>
    Effect.gen(function*() {
      const app = yield* place(user, { fresh: true, copy: true })
      mkdirSync(app.global)
      if (isRoot) chownSync(app.global, user.uid, user.gid)
      // What every start needs has 13 MB, and everything 18 MB.
      const tight = yield* tmpfs(app, "size=14m")
      assert.deepStrictEqual(said(tight), [0, "hello\n", ""])
      assert.strictEqual((yield* app.run(["fim-overlay", "set", "unionfs"])).code, 0)
      const outcome = yield* tmpfs(app, "size=14m")
      assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
      assert.match(outcome.stderr, /could not all be unpacked; make room there, or set FIM_DIR_GLOBAL/)
      assert.deepStrictEqual(said(yield* tmpfs(app, "size=30m")), [0, "hello\n", ""])
      yield* app.isClean
    }))

  scenario("a file system without room or without leave to run programs gives an error that says what to set", [
    ...images,
    root
  ], () =>
    Effect.gen(function*() {
      const app = yield* place(user, { fresh: true })
      mkdirSync(app.global)
      const problems = {
        noexec: /does not allow programs to run/,
        "size=1m": /no space left/,
        "nr_inodes=20": /no space left|is full/
      }
      for (const [options, reason] of Object.entries(problems)) {
        const outcome = yield* tmpfs(app, options)
        assert.deepStrictEqual([options, outcome.code, outcome.stdout], [options, 125, ""])
        assert.match(outcome.stderr, reason)
        assert.match(outcome.stderr, /FIM_DIR_GLOBAL/)
      }
      assert.deepStrictEqual(said(yield* tmpfs(app, "size=300m")), [0, "hello\n", ""])
      yield* app.isClean
    }))
})

/**
 * Runs a command as an ordinary user without FIM_DIR_GLOBAL, with an empty `/tmp` of its own in which `script` has prepared
 * something. The place of the test is `/mnt` then.
 */
const withOwnTmp = (app: Place, script: string, command: ReadonlyArray<string>) => {
  const mounts = `mount --bind "$here" /mnt; mount -t tmpfs -o mode=1777 tmpfs /tmp; ${script}`
  const environment = { PATH: app.environment["PATH"], HOME: "/mnt/home", here: app.directory }
  return Process.run(inMounts(mounts, ordinary.command(command, "/mnt")), { environment, directory: "/" })
}

const asRoot = [...images, root]

describe("without FIM_DIR_GLOBAL", () => {
  scenario("/tmp/fim is used, and another user's or an unsafe one is not", asRoot, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary, { fresh: true })
      // Nobody else sees this `/tmp`, so the command itself looks what is there.
      const look = ["sh", "-c", "/mnt/app.flatimage fim-exec echo ran && ls -d /tmp/fim*/app"]
      const run = (script: string) => withOwnTmp(app, script, look)
      const id = ordinary.uid
      assert.deepStrictEqual(said(yield* run(":")), [0, "ran\n/tmp/fim/app\n", ""])
      const own = [0, `ran\n/tmp/fim-${id}/app\n`, ""]
      assert.deepStrictEqual(said(yield* run("mkdir /tmp/fim")), own)
      assert.deepStrictEqual(said(yield* run("mkdir -m 1777 /tmp/fim")), own)
      assert.deepStrictEqual(said(yield* run(`mkdir -m 777 /tmp/fim; chown ${id} /tmp/fim`)), own)
      assert.deepStrictEqual(said(yield* run("mkdir /tmp/x; ln -s /tmp/x /tmp/fim")), own)
      assert.deepStrictEqual(said(yield* run(": > /tmp/fim")), own)
    }))

  scenario(
    "nothing in /tmp can be used, and the caller's cache is, if nobody else can change it",
    asRoot,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary, { fresh: true })
        const look =
          "/mnt/app.flatimage fim-exec echo ran && ls -d /tmp/fim*/app \"$HOME\"/.cache/*/app 2> /dev/null; :"
        const taken = `mkdir /tmp/fim /tmp/fim-${ordinary.uid}`
        const noexec = "mount -o remount,noexec /tmp"
        const run = (script: string, home = "/mnt/home") =>
          withOwnTmp(app, script, ["env", `HOME=${home}`, "sh", "-c", look])
        const cached = [0, "ran\n/mnt/home/.cache/flatimage/app\n", ""]
        for (const script of [taken, noexec]) assert.deepStrictEqual(said(yield* run(script)), cached)
        const homes = {
          "not set": "",
          "of somebody else": "/mnt/other",
          "everybody's": "/mnt/open",
          "below what is everybody's": "/mnt/open/home"
        }
        const prepare =
          `mkdir -p /mnt/other /mnt/open/home; chmod 777 /mnt/open /mnt/other; chown ${ordinary.uid} /mnt/open /mnt/open/home`
        for (const [name, home] of Object.entries(homes)) {
          const outcome = yield* run(`${noexec}; ${prepare}`, home)
          assert.deepStrictEqual([name, outcome.code, outcome.stdout], [name, 0, ""])
          assert.match(
            outcome.stderr,
            /^C::no directory .*neither '\/tmp\/fim' \(programs on it may not run\) nor .*FIM_DIR_GLOBAL/
          )
        }
      })
  )
})
