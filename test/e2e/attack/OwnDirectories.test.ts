import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { images, isRoot, scenario } from "../../support/Needs.ts"
import { type Place, place } from "../../support/Place.ts"
import { users } from "../../support/Users.ts"

const own = (path: string, app: Place): void => {
  if (isRoot) chownSync(path, app.user.uid, app.user.gid)
}

const directory = (path: string, app: Place): string => {
  mkdirSync(path, { recursive: true })
  own(path, app)
  return path
}

/** Tries to list, and to put a file into, each directory that is given. */
const trying = "for d; do ls -A \"$d\"; touch \"$d/planted\" && echo \"planted in $d\"; done 2> /dev/null; echo tried"

describe.each(users)("as $name, the guest cannot", (user) => {
  scenario("change what we run or keep, in directories that a bind shows", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      for (const path of [".cache", ".config", ".local", ".local/share"]) directory(`${app.home}/${path}`, app)
      const kept = [".cache", ".config", ".local/share"].map((path) => directory(`${app.home}/${path}/flatimage`, app))
      for (const path of kept) {
        writeFileSync(`${path}/kept`, "kept")
        own(`${path}/kept`, app)
      }
      const global = directory(`${app.home}/.cache/global`, app)
      const environment = { FIM_DIR_GLOBAL: global }
      const run = (words: ReadonlyArray<string>) => app.run(words, { environment })
      // Each is seen at the place of its own and below another.
      for (
        const words of [
          ["fim-perms", "set", user.uid === 0 ? "network" : "home"],
          ["fim-bind", "add", "rw", app.home, app.home],
          ["fim-bind", "add", "rw", app.directory, "/beside"],
          ["fim-bind", "add", "rw", `${app.home}/.cache`, "/cache"],
          ["fim-bind", "add", "ro", "/", "/whole"],
          ["fim-bind", "add", "rw", global, "/global"],
          ["fim-bind", "add", "rw", `${app.data}/work`, "/work"]
        ]
      ) assert.strictEqual((yield* run(words)).code, 0)
      assert.strictEqual((yield* run(["fim-exec", "true"])).code, 0)
      const tools = `${global}/app/${readdirSync(`${global}/app`)[0]}/bin`
      const targets = [
        ...kept,
        ...["", "/beside", "/whole"].flatMap((before) =>
          [global, app.data].map((path) => before === "/beside" ? path.replace(app.directory, before) : before + path)
        ),
        "/cache/flatimage",
        "/cache/global",
        "/global",
        "/work",
        "/beside/home/.cache/flatimage",
        tools,
        `${app.data}/work`
      ]
      const before = readFileSync(`${tools}/fim`)
      const outcome = yield* run(["fim-exec", "sh", "-c", trying, "sh", ...targets])
      assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "tried\n"])
      // Beside them all is as it was bound.
      const beside = yield* run(["fim-exec", "sh", "-c", trying, "sh", `${app.home}/.config`, "/cache"])
      assert.match(beside.stdout, /planted in .*config[^]*planted in \/cache/)
      const path = `/beside/home/.cache/global/app/${readdirSync(`${global}/app`)[0]}/bin`
      const overwritten = yield* run([
        "fim-exec",
        "sh",
        "-c",
        "echo x >> $1/fim && echo written; echo tried",
        "sh",
        path
      ])
      assert.strictEqual(overwritten.stdout, "tried\n")
      assert.isTrue(before.equals(readFileSync(`${tools}/fim`)))
      for (const path of [...kept, global, app.data, `${app.data}/work`]) {
        assert.isFalse(existsSync(`${path}/planted`), path)
      }
      yield* app.isClean
    }))

  scenario("take the place of its own tools by a bind of /tmp", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const other = directory(`${app.directory}/other`, app)
      assert.strictEqual((yield* app.run(["fim-bind", "add", "rw", other, "/tmp"])).code, 0)
      const words = [
        "fim-exec",
        "sh",
        "-c",
        "echo x > /tmp/file; touch /tmp/fim/x \"$FIM_DIR_APP_BIN/x\" && echo made; echo ran"
      ]
      const outcome = yield* app.run(words)
      assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "ran\n"])
      assert.deepStrictEqual(readdirSync(other).toSorted(), ["file", "fim"])
      assert.deepStrictEqual(readdirSync(`${other}/fim`), [])
    }))
})
