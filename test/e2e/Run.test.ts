/** `fim-run`: one start with other settings than those of the image. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chownSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import { succeeds } from "../support/Commands.ts"
import { images, isRoot, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

describe.each(users)("as $name, fim-run", (user) => {
  const folder = (path: string) => {
    mkdirSync(path)
    if (isRoot) chownSync(path, user.uid, user.gid)
    return path
  }

  scenario("grants and withdraws permissions, and leaves the image as it is", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* succeeds(app, ["fim-perms", "set", "network"])
      const before = readFileSync(app.image)
      const look = ["readlink", "/proc/self/ns/net"]
      const ofHost = `${readlinkSync("/proc/self/ns/net")}\n`
      assert.strictEqual(yield* succeeds(app, ["fim-run", ...look]), ofHost)
      assert.notStrictEqual(yield* succeeds(app, ["fim-run", "--allow", "NETWORK", "--deny", "all", ...look]), ofHost)
      assert.isTrue(before.equals(readFileSync(app.image)))
      yield* succeeds(app, ["fim-perms", "clear"])
      assert.notStrictEqual(yield* succeeds(app, ["fim-run", ...look]), ofHost)
      assert.strictEqual(yield* succeeds(app, ["fim-run", "--allow", "home,network", ...look]), ofHost)
      // Every byte behind the name of the program is the program's.
      const words = ["--allow", "all", "--", "-x=1"]
      assert.strictEqual(yield* succeeds(app, ["fim-run", "--deny=network", "echo", ...words]), `${words.join(" ")}\n`)
      assert.strictEqual(yield* succeeds(app, ["fim-run", "--", "echo", "--deny"]), "--deny\n")
      assert.strictEqual(yield* succeeds(app, ["fim-perms", "list"]), "")
    }))

  scenario("binds files and directories, as they are named", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const shared = folder(`${app.directory}/a $HOME b`)
      writeFileSync(`${shared}/file`, "of the host\n", { mode: 0o666 })
      const at = (...words: ReadonlyArray<string>) => app.run(["fim-run", ...words], { directory: shared })
      const read = yield* at(
        "--bind",
        `${shared}:/mnt/shared:ro`,
        "sh",
        "-c",
        "cat /mnt/shared/file; echo > /mnt/shared/new"
      )
      assert.deepStrictEqual([read.code, read.stdout], [1, "of the host\n"])
      assert.include(read.stderr, "Read-only file system")
      // A relative directory is of the host, and the program begins in it.
      const here = yield* at("--pwd", ".", "sh", "-c", "pwd; cat file; echo made > new")
      assert.deepStrictEqual([here.code, here.stdout, here.stderr], [0, `${shared}\nof the host\n`, ""])
      assert.strictEqual(readFileSync(`${shared}/new`, "utf8"), "made\n")
      const there = yield* at(
        "--pwd",
        "/usr",
        "--bind",
        "file:/mnt/one",
        "--env",
        "X=$HOME `id`",
        "sh",
        "-c",
        "pwd; cat /mnt/one; echo \"$X\""
      )
      assert.deepStrictEqual([there.code, there.stdout], [0, "/usr\nof the host\n$HOME `id`\n"])
      yield* app.isClean
    }))

  scenario("runs as root, or the boot command", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      assert.strictEqual(yield* succeeds(app, ["fim-run", "--root", "id", "-u"]), "0\n")
      yield* succeeds(app, ["fim-boot", "set", "sh", "-c", "echo boot $X"])
      assert.strictEqual(yield* succeeds(app, ["fim-run", "--env", "X=1"]), "boot 1\n")
      const code = yield* app.run(["fim-run", "--deny", "all", "sh", "-c", "exit 7"])
      assert.strictEqual(code.code, 7)
    }))

  scenario("refuses before anything is made", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [["--alow", "home", "true"], /E::Unknown option '--alow' of fim-run\n.*E::did you mean --allow\?/s],
        [["--allow", "hoem", "true"], /E::Invalid permission 'hoem' of --allow\n.*E::did you mean home\?/s],
        [["--allow"], /E::Option '--allow' needs a value: permission,\.\.\.\n/],
        [["--root=yes", "true"], /E::Option '--root' has no value\n/],
        [["--env", "=x", "true"], /E::Invalid variable '=x'\n/],
        [["--bind", "/no/such", "true"], /E::Cannot bind '\/no\/such': there is no such file/],
        [["--bind", "/usr:lib", "true"], /the destination is a path of the guest: --bind \/usr:\/lib\n/],
        [["--bind", "/usr:/x:rx", "true"], /E::Invalid bind '\/usr:\/x:rx'\n/],
        [["--bind", "/", "true"], /E::Nothing can be bound to '\/' of the guest\n/],
        [["--bind", "/usr:/tmp/fim/app", "true"], /E::Nothing can be bound to '\/tmp\/fim\/app' of the guest\n/],
        [["--bind", "/usr:/x/../proc", "true"], /E::Nothing can be bound to '\/proc' of the guest\n/],
        [["--bind", "/usr:/dev/shm", "true"], /E::Nothing can be bound to '\/dev\/shm' of the guest\n/],
        [["--pwd", "nowhere", "true"], /E::Cannot bind '.*\/nowhere': there is no such file/]
      ]
      for (const [words, expected] of cases) {
        const outcome = yield* app.run(["fim-run", ...words])
        assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""], words.join(" "))
        assert.match(outcome.stderr, expected)
      }
      const missing = yield* app.run(["fim-run", "--pwd", "/no/such", "true"])
      assert.strictEqual(missing.code, 125)
      assert.include(missing.stderr, "E::the guest has no directory '/no/such' that it may enter")
      yield* app.isClean
    }))
})
