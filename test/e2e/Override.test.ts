/** `fim-override`: a user's own settings of an image, outside of the file. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { succeeds } from "../support/Commands.ts"
import { images, isRoot, root as rootOnly, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

const look = ["readlink", "/proc/self/ns/net"]
const ofHost = `${readlinkSync("/proc/self/ns/net")}\n`

describe.each(users)("as $name, overrides", (user) => {
  scenario("count for every start, and leave the image as it is", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* succeeds(app, ["fim-perms", "set", "network"])
      // It gets its identity with the first change.
      const before = readFileSync(app.image)
      const shared = `${app.directory}/shared`
      mkdirSync(shared)
      writeFileSync(`${shared}/file`, "of the host\n")
      yield* succeeds(app, [
        "fim-override",
        "set",
        "--deny",
        "NETWORK",
        "--bind",
        `${shared}:/mnt/s:ro`,
        "--env",
        "X=$HOME"
      ])
      assert.isTrue(before.equals(readFileSync(app.image)))
      assert.strictEqual(
        yield* succeeds(app, ["fim-override", "list"]),
        `deny network\nbind ${shared} at /mnt/s, ro\nenv X=$HOME\n`
      )
      const [file] = readdirSync(`${app.home}/.config/flatimage/overrides`)
      assert.strictEqual(statSync(`${app.home}/.config/flatimage/overrides/${file}`).mode & 0o777, 0o600)
      const started = yield* succeeds(app, [
        "fim-exec",
        "sh",
        "-c",
        "cat /mnt/s/file; echo \"$X\"; readlink /proc/self/ns/net"
      ])
      assert.isTrue(started.startsWith("of the host\n$HOME\n"))
      assert.isFalse(started.endsWith(ofHost))
      // An option of the start wins, but over a denial.
      const run = yield* app.run([
        "fim-run",
        "--allow",
        "network",
        "--env",
        "X=1",
        "sh",
        "-c",
        "echo $X; readlink /proc/self/ns/net"
      ])
      assert.isTrue(run.stdout.startsWith("1\n"))
      assert.isFalse(run.stdout.endsWith(ofHost))
      assert.strictEqual(
        run.stderr,
        "W::Your overrides deny network. To allow it: fim-override set --allow network\n"
      )
      // A source that has gone is passed over.
      rmSync(shared, { recursive: true })
      yield* succeeds(app, ["fim-exec", "true"])
      yield* succeeds(app, ["fim-override", "set", "--allow", "network"])
      assert.strictEqual(yield* succeeds(app, ["fim-exec", ...look]), ofHost)
      yield* succeeds(app, ["fim-override", "unset", "network", "/mnt/s", "X"])
      assert.strictEqual(yield* succeeds(app, ["fim-override", "list"]), "")
      assert.deepStrictEqual(readdirSync(`${app.home}/.config/flatimage/overrides`), [])
    }), 60_000)

  scenario(
    "belong to the image and not to its path, and to the settings that they were made for",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const copy = `${app.directory}/copy`
        copyFileSync(app.image, copy)
        yield* succeeds(app, ["fim-perms", "set", "network"])
        yield* succeeds(app, ["fim-override", "set", "--deny", "network"])
        const moved = `${app.directory}/moved`
        renameSync(app.image, moved)
        const other = yield* app.shell(`"${moved}" fim-override list`)
        assert.strictEqual(other.stdout, "deny network\n")
        // A copy of before in its place has other settings.
        renameSync(copy, app.image)
        if (isRoot) chownSync(app.image, user.uid, user.gid)
        yield* succeeds(app, ["fim-perms", "set", "network,home"])
        const changed = yield* app.run(["fim-exec", ...look])
        assert.deepStrictEqual([changed.code, changed.stdout], [0, ofHost])
        renameSync(moved, app.image)
        yield* succeeds(app, ["fim-env", "set", "A=B"])
        const outdated = yield* app.run(["fim-exec", ...look])
        assert.deepStrictEqual([outdated.code, outdated.stdout], [0, ofHost])
        assert.include(
          outdated.stderr,
          "W::Your overrides are not applied, because the settings of the image have changed"
        )
        const refused = yield* app.run(["fim-override", "set", "--env", "C=D"])
        assert.strictEqual(refused.code, 125)
        assert.include(refused.stderr, "fim-override confirm, or fim-override clear\n")
        yield* succeeds(app, ["fim-override", "confirm"])
        assert.notStrictEqual(yield* succeeds(app, ["fim-exec", ...look]), ofHost)
        yield* succeeds(app, ["fim-override", "clear"])
        assert.strictEqual(yield* succeeds(app, ["fim-exec", ...look]), ofHost)
      }),
    60_000
  )

  scenario("that are not valid, or that others can change, start nothing", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* succeeds(app, ["fim-perms", "set", "network"])
      yield* succeeds(app, ["fim-override", "set", "--deny", "network"])
      const directory = `${app.home}/.config/flatimage/overrides`
      const path = `${directory}/${readdirSync(directory)[0]}`
      const text = readFileSync(path, "utf8")
      const fails = Effect.fnUntraced(function*(what: string) {
        const outcome = yield* app.run(["fim-exec", "echo", "started"])
        assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
        assert.include(outcome.stderr, what)
      })
      for (
        const bad of [
          "",
          "{",
          "[]",
          text.replace("\"network\"", "\"everything\""),
          text.replace("}", ", \"x\": 1}"),
          " ".repeat(65_537)
        ]
      ) {
        writeFileSync(path, bad)
        yield* fails(`'${path}' is not valid`)
      }
      writeFileSync(path, text)
      chmodSync(path, 0o666)
      yield* fails(`to use it: chmod go-w '${path}'`)
      chmodSync(path, 0o600)
      renameSync(path, `${path}.real`)
      symlinkSync(`${path}.real`, path)
      yield* fails("it is not a file")
      yield* succeeds(app, ["fim-override", "clear"])
      yield* succeeds(app, ["fim-exec", "true"])
      for (
        const [words, what] of [
          [["set", "--bind", `${app.directory}:/proc`], "Nothing can be bound to '/proc'"],
          [["set", "--allow", "home", "--deny", "home"], "'home' is both in --allow and in --deny"],
          [["set"], "Nothing to set"],
          [["unset", "X"], "There is no override of 'X'"],
          [["set", "--allow", "netwrok"], "did you mean network?"]
        ] as const
      ) {
        const outcome = yield* app.run(["fim-override", ...words])
        assert.strictEqual(outcome.code, 125)
        assert.include(outcome.stderr, what)
      }
    }), 60_000)
})

scenario("overrides of another user are not root's", [...images, rootOnly], () =>
  Effect.gen(function*() {
    const [root, ordinary] = users
    assert.isTrue(root !== undefined && ordinary !== undefined)
    if (root === undefined || ordinary === undefined) return
    const app = yield* place(root, { copy: true })
    yield* succeeds(app, ["fim-perms", "set", "network"])
    const home = `${app.directory}/other`
    mkdirSync(home)
    yield* succeeds(app, ["fim-override", "set", "--deny", "network"], { HOME: home })
    assert.notStrictEqual(yield* succeeds(app, ["fim-exec", ...look], { HOME: home }), ofHost)
    chownSync(home, ordinary.uid, ordinary.gid)
    assert.strictEqual(yield* succeeds(app, ["fim-exec", ...look], { HOME: home }), ofHost)
  }))
