import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmdirSync, symlinkSync } from "node:fs"
import { disappears } from "../support/Leftovers.ts"
import { images, isRoot, root, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import type { Outcome } from "../support/Process.ts"
import { ordinary, self, users } from "../support/Users.ts"

const names = {
  spaces: " two  words .flatimage ",
  quotes: "it's \"quoted\" `id` $HOME.flatimage",
  "a newline": "two\nlines.flatimage",
  "letters beyond ASCII": "größe-語-🐧.flatimage",
  "what mounts separate their options with": "a,b:c\\d=e.flatimage",
  "a dash in front": "-rf",
  percent: "%s%n%20.flatimage"
}

/** Writes and reads back a file, which takes the overlay and with it the data directory. */
const writing = ["fim-exec", "sh", "-c", "echo kept > /file && cat /file && printf %s \"$FIM_BIN_SELF\""]

const kept = (outcome: Outcome) => [outcome.code, outcome.stdout, outcome.stderr]

describe.each(users)("as $name, an image runs", (user) => {
  for (const [what, name] of Object.entries(names)) {
    scenario(`from a path with ${what}`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { name })
        const directory = `${app.directory}/${name}.d`
        mkdirSync(directory)
        if (isRoot) chownSync(directory, user.uid, user.gid)
        const deeper = `${directory}/${name}`
        renameSync(app.image, deeper)
        const outcome = yield* app.run(["-c", `exec "$0" "$@"`, deeper, ...writing], { program: "/bin/sh" })
        assert.deepStrictEqual(kept(outcome), [0, `kept\n${deeper}`, ""])
        const data = `${directory}/.${name}.data`
        assert(existsSync(`${data}/data/file`), "the file is in the data directory beside the image")
        yield* disappears({ directory: app.directory, global: app.global, data })
      }))
  }

  scenario(
    "from a path that is not UTF-8, with an argument and a setting that are not either",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const outcome = yield* app.shell(`
        set -e
        directory=$HOME/$(printf 'd\\377')
        mkdir "$directory"
        cp "$app" "$directory/app"
        app=$directory/app
        {
          "$app" fim-env set 'A=$X' > /dev/null
          X=$(printf 'x\\376') "$app" fim-exec sh -c 'echo kept > /file; printf "%s\\n" "$A" "$1" "$FIM_BIN_SELF"' \\
            sh "$(printf 'y\\375')"
          "$app" fim-exec cat /file
          "$app" fim-layer commit binary > /dev/null
          rm -r "$directory/.app.data"
          "$app" fim-exec cat /file
        } | tr '\\375\\376\\377' WYZ`)
        const self = `${app.home}/dZ`
        assert.deepStrictEqual(kept(outcome), [0, `xY\nyW\n${self}/app\nkept\nkept\n`, ""])
        yield* app.isClean
      })
  )

  scenario("through symbolic links, with the data directory beside the file", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const elsewhere = `${app.home}/elsewhere`
      mkdirSync(elsewhere)
      symlinkSync("../../app.flatimage", `${elsewhere}/link`)
      symlinkSync(`${elsewhere}/link`, `${app.home}/second link`)
      const outcome = yield* app.run(writing, { program: `${app.home}/second link` })
      assert.deepStrictEqual(kept(outcome), [0, `kept\n${app.image}`, ""])
      assert(existsSync(`${app.data}/data/file`))
      yield* app.isClean
    }))

  scenario("from the search path and from a relative path", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const found = yield* app.shell("PATH=$PATH:${app%/*}; app.flatimage fim-exec echo found")
      assert.deepStrictEqual(kept(found), [0, "found\n", ""])
      const relative = yield* app.shell("cd /; .\"$app\" fim-exec echo relative")
      assert.deepStrictEqual(kept(relative), [0, "relative\n", ""])
      const own = yield* app.shell("cd \"${app%/*}\"; ./app.flatimage fim-exec echo near")
      assert.deepStrictEqual(kept(own), [0, "near\n", ""])
    }))

  scenario("when the file is read-only", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      chmodSync(app.image, 0o555)
      assert.deepStrictEqual(kept(yield* app.run(writing)), [0, `kept\n${app.image}`, ""])
      yield* app.isClean
    }))

  scenario("in a working directory that was removed", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const script = "mkdir gone && cd gone && rmdir ../gone && exec \"$app\" fim-exec sh -c 'echo \"$PWD\"'"
      const outcome = yield* app.shell(script)
      assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
      assert.include(["/\n", `${user.uid === 0 ? "/root" : app.home}\n`], outcome.stdout)
      yield* app.isClean
    }))

  scenario(
    "and starts in the caller's directory where the guest has it, else at home",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const home = user.uid === 0 ? "/root" : app.home
        assert.deepStrictEqual(kept(yield* app.run(["fim-exec", "pwd"], { directory: "/usr/bin" })), [
          0,
          "/usr/bin\n",
          ""
        ])
        const absent = `${app.directory}/absent`
        mkdirSync(absent)
        assert.deepStrictEqual(kept(yield* app.run(["fim-exec", "pwd"], { directory: absent })), [0, `${home}\n`, ""])
        rmdirSync(absent)
      })
  )
})

describe("an image runs", () => {
  scenario("in a working directory that the caller may not enter", [...images, root], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const closed = `${app.directory}/closed`
      mkdirSync(closed, { mode: 0o700 })
      chownSync(closed, 0, 0)
      const outcome = yield* app.run(["fim-exec", "pwd"], { directory: closed })
      assert.deepStrictEqual(kept(outcome), [0, `${app.home}\n`, ""])
    }))
})

describe("an image in a directory that cannot be written to", () => {
  scenario("keeps its data in the data home of an ordinary user", [...images, root], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      chownSync(app.directory, 0, 0)
      const data = `${app.home}/.local/share/flatimage/.app.flatimage.data`
      assert.deepStrictEqual(kept(yield* app.run(writing)), [0, `kept\n${app.image}`, ""])
      assert(existsSync(`${data}/data/file`))
      yield* disappears({ ...app, data })
      const chosen = `${app.home}/chosen`
      const environment = { XDG_DATA_HOME: chosen }
      assert.deepStrictEqual(kept(yield* app.run(writing, { environment })), [0, `kept\n${app.image}`, ""])
      assert(existsSync(`${chosen}/flatimage/.app.flatimage.data/data/file`))
    }))

  scenario(
    "keeps its data in the data home of root where the file system is read-only",
    [...images, root],
    () =>
      Effect.gen(function*() {
        const app = yield* place(self)
        const script = "mount --bind \"$here\" \"$here\" && mount -o remount,bind,ro \"$here\" && exec \"$@\""
        const words = [
          "unshare",
          "--mount",
          "--propagation",
          "private",
          "sh",
          "-c",
          script,
          "sh",
          app.image,
          ...writing
        ]
        // The data home lies elsewhere, for everything of the test is read-only.
        const environment = { here: app.directory, HOME: app.global }
        const outcome = yield* app.run(words.slice(1), { program: "unshare", environment, directory: "/" })
        assert.deepStrictEqual(kept(outcome), [0, `kept\n${app.image}`, ""])
        const data = `${app.global}/.local/share/flatimage/.app.flatimage.data`
        assert(existsSync(`${data}/data/file`))
        yield* disappears({ ...app, data })
      })
  )

  scenario("and without a data home says what to set", [...images, root], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      chownSync(app.directory, 0, 0)
      const outcome = yield* app.run(["fim-exec", "true"], { environment: { HOME: undefined }, directory: "/" })
      assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
      assert.match(outcome.stderr, /data directory.*FIM_DIR_DATA/)
      const data = `${app.home}/mine`
      const set = yield* app.run(writing, { environment: { HOME: undefined, FIM_DIR_DATA: data }, directory: "/" })
      assert.deepStrictEqual(kept(set), [0, `kept\n${app.image}`, ""])
    }))
})
