/** The table of `docs/directories.md`: which data directory an image uses, whatever was done to its file. A test for each row. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { execFileSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { slots } from "../../src/image/ReservedLayout.ts"
import type { Extension } from "../../src/image/Settings.ts"
import { decode, encode } from "../../src/image/SettingsCodec.ts"
import { images, isRoot, root, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { reservedOffset } from "../support/Reserved.ts"
import { smallDisk } from "../support/Rungs.ts"
import { ordinary, self, users } from "../support/Users.ts"

const extensionOf = (image: string): Extension => {
  const bytes = Buffer.alloc(slots.extension.size)
  const file = openSync(image, "r")
  readSync(file, bytes, 0, bytes.length, reservedOffset(image) + slots.extension.offset)
  closeSync(file)
  return Result.getOrThrow(decode("extension", bytes)) as Extension
}

const identityOf = (image: string) => extensionOf(image).identity

/** Gives an image another identity, or none, as if it had been built so. */
const setIdentity = (image: string, identity: string | undefined) => {
  const { formerly: _formerly, identity: _identity, ...rest } = extensionOf(image)
  const value = identity === undefined ? rest : { ...rest, identity }
  const bytes = Result.getOrThrowWith(encode("extension", value), (failure) => new Error(JSON.stringify(failure)))
  const position = reservedOffset(image) + slots.extension.offset
  const file = openSync(image, "r+")
  writeSync(file, bytes, 0, bytes.length, position)
  closeSync(file)
}

const other = "0123456789abcdef0123456789abcdef"

const recordOf = (data: string) => JSON.parse(readFileSync(`${data}/image.json`, "utf8"))

const own = (app: Place, path: string) => {
  if (isRoot) chownSync(path, app.user.uid, app.user.gid)
}

const copy = (app: Place, from: string, to: string) => {
  copyFileSync(from, to)
  own(app, to)
}

/** Runs a script in the guest of an image: exit code, output, and what was said. */
const guest = Effect.fnUntraced(function*(
  app: Place,
  image: string,
  script: string,
  environment: Readonly<Record<string, string>> = {}
) {
  const words = ["-c", "exec \"$0\" \"$@\"", image, "fim-exec", "sh", "-c", script]
  const { code, stderr, stdout } = yield* app.run(words, { program: "/bin/sh", environment, directory: "/" })
  return [code, stdout, stderr] as const
})

/** Leaves a word in the guest. */
const writes = Effect.fnUntraced(function*(app: Place, image: string, word: string) {
  assert.deepStrictEqual(yield* guest(app, image, `echo ${word} > /srv/state`), [0, "", ""])
})

const read = "cat /srv/state 2> /dev/null || echo nothing"
const dataBeside = (app: Place) => readdirSync(app.directory).filter((name) => name.endsWith(".data")).sort()

describe.each(users)("as $name, the data directory of an image", (user) => {
  scenario("has a record that only the caller reads, written when it changes", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* writes(app, app.image, "kept")
      const { dev, ino } = lstatSync(app.image, { bigint: true })
      const record = { identity: identityOf(app.image), path: app.image, device: `${dev}`, inode: `${ino}` }
      assert.deepStrictEqual(recordOf(app.data), record)
      assert.match(record.identity!, /^[0-9a-f]{32}$/)
      const before = lstatSync(`${app.data}/image.json`, { bigint: true })
      assert.strictEqual(Number(before.mode) & 0o777, 0o600)
      assert.strictEqual(lstatSync(app.data).mode & 0o777, 0o700)
      assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "kept\n", ""])
      assert.strictEqual(lstatSync(`${app.data}/image.json`, { bigint: true }).ino, before.ino)
      assert.deepStrictEqual(readdirSync(app.data).sort(), ["data", "image.json", "layers", "tmp", "work"])
    }))

  scenario("is renamed with the image, with one line", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* writes(app, app.image, "kept")
      const image = `${app.directory}/other`
      renameSync(app.image, image)
      const [code, stdout, stderr] = yield* guest(app, image, read)
      assert.deepStrictEqual([code, stdout], [0, "kept\n"])
      assert.match(
        stderr,
        /^W::The image was renamed: its data directory '.*\/\.app\.flatimage\.data' is now '.*\/\.other\.data'\n$/
      )
      assert.deepStrictEqual(dataBeside(app), [".other.data"])
      assert.strictEqual(recordOf(`${app.directory}/.other.data`).path, image)
      assert.deepStrictEqual(yield* guest(app, image, read), [0, "kept\n", ""])
    }))

  scenario("is renamed with an image that is another file now", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* writes(app, app.image, "kept")
      const image = `${app.directory}/restored`
      copy(app, app.image, image)
      rmSync(app.image)
      const [code, stdout] = yield* guest(app, image, read)
      assert.deepStrictEqual([code, stdout, dataBeside(app)], [0, "kept\n", [".restored.data"]])
    }))

  scenario("is not renamed while an instance runs on it, and used where it is", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* writes(app, app.image, "kept")
      const running = yield* app.start(["fim-exec", "sh", "-c", "echo runs; read line; echo $line > /srv/later"], {
        interactive: true
      })
      yield* running.says(/runs/)
      const image = `${app.directory}/other`
      renameSync(app.image, image)
      assert.deepStrictEqual(yield* guest(app, image, read), [0, "kept\n", ""])
      assert.deepStrictEqual(dataBeside(app), [".app.flatimage.data"])
      yield* running.write("late\n")
      yield* running.exited
      yield* app.isClean
      const [code, stdout, stderr] = yield* guest(app, image, "cat /srv/state /srv/later")
      assert.deepStrictEqual([code, stdout], [0, "kept\nlate\n"], stderr)
      assert.deepStrictEqual(dataBeside(app), [".other.data"])
    }))

  scenario("is renamed once by two starts at the same time", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* writes(app, app.image, "kept")
      const image = `${app.directory}/other`
      renameSync(app.image, image)
      const outcomes = yield* Effect.all([1, 2, 3].map(() => guest(app, image, read)), { concurrency: "unbounded" })
      assert.deepStrictEqual(outcomes.map(([code, stdout]) => [code, stdout]), [1, 2, 3].map(() => [0, "kept\n"]))
      assert.isAtMost(outcomes.filter(([, , stderr]) => stderr.includes("was renamed")).length, 1)
      assert.lengthOf(dataBeside(app), 1)
    }))

  scenario(
    "goes along with the image by hand where that is moved to another directory",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        yield* writes(app, app.image, "kept")
        const directory = `${app.directory}/elsewhere`
        mkdirSync(directory)
        own(app, directory)
        renameSync(app.image, `${directory}/app.flatimage`)
        assert.deepStrictEqual(yield* guest(app, `${directory}/app.flatimage`, read), [0, "nothing\n", ""])
        rmSync(`${directory}/.app.flatimage.data`, { recursive: true })
        renameSync(app.data, `${directory}/.app.flatimage.data`)
        assert.deepStrictEqual(yield* guest(app, `${directory}/app.flatimage`, read), [0, "kept\n", ""])
      })
  )

  scenario("of a copy is its own", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* writes(app, app.image, "kept")
      const image = `${app.directory}/copy`
      copy(app, app.image, image)
      assert.deepStrictEqual(yield* guest(app, image, read), [0, "nothing\n", ""])
      yield* writes(app, image, "copied")
      assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "kept\n", ""])
      assert.deepStrictEqual(yield* guest(app, image, read), [0, "copied\n", ""])
      assert.strictEqual(identityOf(image), identityOf(app.image))
    }))

  for (const which of ["copy", "original"]) {
    scenario(
      `stays with both files when the ${which} is changed, which gets another identity`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user, { copy: true })
          yield* writes(app, app.image, "kept")
          const image = `${app.directory}/copy`
          copy(app, app.image, image)
          yield* writes(app, image, "copied")
          const before = identityOf(app.image)
          const [changed, unchanged] = which === "copy" ? [image, app.image] as const : [app.image, image] as const
          const set = yield* app.run(["-c", "exec \"$0\" fim-perms set network", changed], { program: "/bin/sh" })
          assert.deepStrictEqual([set.code, set.stderr], [0, ""])
          assert.strictEqual(identityOf(unchanged), before)
          assert.notStrictEqual(identityOf(changed), before)
          assert.deepStrictEqual(extensionOf(changed).formerly, [String(before)])
          const data = which === "copy" ? `${app.directory}/.copy.data` : app.data
          assert.strictEqual(recordOf(data).identity, identityOf(changed))
          assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "kept\n", ""])
          assert.deepStrictEqual(yield* guest(app, image, read), [0, "copied\n", ""])
          // A second change is no reason for a third identity: there is no copy of it.
          const once = identityOf(changed)
          yield* app.run(["-c", "exec \"$0\" fim-notify on", changed], { program: "/bin/sh" })
          assert.strictEqual(identityOf(changed), once)
          // The record may not have been written after the change: the file remembers what it was.
          writeFileSync(`${data}/image.json`, JSON.stringify({ ...recordOf(data), identity: before }))
          assert.deepStrictEqual(yield* guest(app, changed, read), [0, which === "copy" ? "copied\n" : "kept\n", ""])
        })
    )
  }

  scenario("is kept by changes, commits and rollbacks, with the identity", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const before = identityOf(app.image)
      yield* writes(app, app.image, "kept")
      for (
        const words of [["fim-perms", "set", "network"], ["fim-portal", "allow", "true"], [
          "fim-layer",
          "commit",
          "binary"
        ]]
      ) {
        assert.strictEqual((yield* app.run(words)).code, 0)
        assert.strictEqual(identityOf(app.image), before)
      }
      yield* writes(app, app.image, "later")
      const { code, stderr } = yield* app.run(["fim-layer", "rollback"])
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.strictEqual(identityOf(app.image), before)
      assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "later\n", ""])
      assert.deepStrictEqual(dataBeside(app), [".app.flatimage.data"])
    }))

  scenario("is the same for two names of one file", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* writes(app, app.image, "kept")
      const image = `${app.directory}/link`
      linkSync(app.image, image)
      assert.deepStrictEqual(yield* guest(app, image, read), [0, "kept\n", ""])
      assert.deepStrictEqual(dataBeside(app), [".app.flatimage.data"])
      assert.strictEqual(recordOf(app.data).path, app.image)
      rmSync(app.image)
      const [code, stdout] = yield* guest(app, image, read)
      assert.deepStrictEqual([code, stdout, dataBeside(app)], [0, "kept\n", [".link.data"]])
    }))

  scenario("is that of the file behind a symbolic link", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* writes(app, app.image, "kept")
      symlinkSync("app.flatimage", `${app.directory}/symbolic`)
      assert.deepStrictEqual(yield* guest(app, `${app.directory}/symbolic`, read), [0, "kept\n", ""])
      assert.deepStrictEqual(dataBeside(app), [".app.flatimage.data"])
    }))

  scenario(
    "is used by a new version in the place of the old one, and by the old one again",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        yield* writes(app, app.image, "kept")
        const old = `${app.directory}/old`
        copy(app, app.image, `${app.directory}/new`)
        renameSync(app.image, old)
        renameSync(`${app.directory}/new`, app.image)
        assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "kept\n", ""])
        renameSync(old, app.image)
        assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "kept\n", ""])
      })
  )

  scenario(
    "is not used by another image of the same name, which says where its own is",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        yield* writes(app, app.image, "kept")
        const before = identityOf(app.image)
        setIdentity(app.image, other)
        const home = `${app.home}/.local/share/flatimage/.app.flatimage.data`
        const [code, stdout, stderr] = yield* guest(app, app.image, read)
        assert.deepStrictEqual([code, stdout], [0, "nothing\n"])
        assert.match(
          stderr,
          /^W::Data directory '[^\n]*\.app\.flatimage\.data' belongs to another image [^\n]*FIM_DIR_DATA[^\n]*\n$/
        )
        assert.include(stderr, home)
        assert.strictEqual(recordOf(home).identity, other)
        yield* writes(app, app.image, "another")
        setIdentity(app.image, before)
        assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "kept\n", ""])
        // A third one finds both names taken.
        setIdentity(app.image, "f".repeat(32))
        assert.strictEqual((yield* guest(app, app.image, "echo third > /srv/state"))[0], 0)
        assert.isTrue(existsSync(`${app.home}/.local/share/flatimage/.app.flatimage-ffffffff.data`))
        assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "third\n", ""])
        setIdentity(app.image, other)
        assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "another\n", ""])
      })
  )

  scenario(
    "in FIM_DIR_DATA is refused to another image, and given to it by removing the record",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const environment = { FIM_DIR_DATA: `${app.home}/chosen` }
        assert.strictEqual((yield* guest(app, app.image, "echo kept > /srv/state", environment))[0], 0)
        setIdentity(app.image, other)
        const [code, stdout, stderr] = yield* guest(app, app.image, read, environment)
        assert.deepStrictEqual([code, stdout], [125, ""])
        assert.match(stderr, /chosen' in FIM_DIR_DATA belongs to another image .* rm '.*chosen\/image\.json'/)
        const listed = yield* app.run(["fim-layer", "list"], { environment })
        assert.strictEqual(listed.code, 125)
        assert.include(listed.stderr, "belongs to another image")
        rmSync(`${app.home}/chosen/image.json`)
        assert.deepStrictEqual(yield* guest(app, app.image, read, environment), [0, "kept\n", ""])
      })
  )

  scenario(
    "of an image without an identity has its name and no record, until the first change",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        setIdentity(app.image, undefined)
        yield* writes(app, app.image, "kept")
        assert.isFalse(existsSync(`${app.data}/image.json`))
        assert.strictEqual((yield* app.run(["fim-perms", "set", "network"])).code, 0)
        assert.match(identityOf(app.image)!, /^[0-9a-f]{32}$/)
        assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "kept\n", ""])
        assert.strictEqual(recordOf(app.data).identity, identityOf(app.image))
      })
  )

  const damages: ReadonlyArray<readonly [string, (app: Place, path: string) => void]> = [
    ["cut off", (_, path) => truncateSync(path, 20)],
    ["empty", (_, path) => truncateSync(path, 0)],
    ["huge", (_, path) => truncateSync(path, 2 ** 40)],
    [
      "with a path that is not absolute",
      (app, path) => writeFileSync(path, JSON.stringify({ ...recordOf(app.data), path: "../x" }))
    ],
    ["a FIFO", (app, path) => {
      rmSync(path)
      execFileSync("mkfifo", [path])
      own(app, path)
    }],
    ["a link to a file of others", (app, path) => {
      renameSync(path, `${app.home}/target`)
      symlinkSync(`${app.home}/target`, path)
    }]
  ]
  for (const [what, damage] of damages) {
    scenario(`is used by its name with one line where its record is ${what}`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        yield* writes(app, app.image, "kept")
        damage(app, `${app.data}/image.json`)
        const target = existsSync(`${app.home}/target`) ? readFileSync(`${app.home}/target`, "utf8") : undefined
        const [code, stdout, stderr] = yield* guest(app, app.image, read)
        assert.deepStrictEqual([code, stdout], [0, "kept\n"])
        assert.match(stderr, /^W::The record '[^\n]*image\.json' is not used, [^\n]*\n$/)
        assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "kept\n", ""])
        assert.strictEqual(recordOf(app.data).identity, identityOf(app.image))
        if (target !== undefined) assert.strictEqual(readFileSync(`${app.home}/target`, "utf8"), target)
      }))
  }

  for (
    const [what, path] of [
      ["a device", "/dev/zero"],
      ["a directory", "/"],
      ["a file that is no image", "/etc/passwd"]
    ] as const
  ) {
    scenario(`is found beside the image where its record leads to ${what}`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        yield* writes(app, app.image, "kept")
        renameSync(app.image, `${app.directory}/other`)
        writeFileSync(`${app.data}/image.json`, JSON.stringify({ ...recordOf(app.data), path }))
        const [code, stdout] = yield* guest(app, `${app.directory}/other`, read)
        assert.deepStrictEqual([code, stdout, dataBeside(app)], [0, "kept\n", [".other.data"]])
      }))
  }

  scenario("is new where two could be that of a renamed image, with one line", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const second = `${app.directory}/second`
      copy(app, app.image, second)
      yield* writes(app, app.image, "first")
      yield* writes(app, second, "second")
      renameSync(app.image, `${app.directory}/other`)
      rmSync(second)
      const [code, stdout, stderr] = yield* guest(app, `${app.directory}/other`, read)
      assert.deepStrictEqual([code, stdout], [0, "nothing\n"])
      assert.match(stderr, /^W::Data directories '.*' all belong to images that are gone .*FIM_DIR_DATA[^\n]*\n$/)
      assert.deepStrictEqual(dataBeside(app), [".app.flatimage.data", ".other.data", ".second.data"])
    }))

  scenario("is looked for, not made or renamed, by commands that only print", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      assert.strictEqual((yield* app.run(["fim-layer", "list"])).code, 0)
      assert.deepStrictEqual(dataBeside(app), [])
      yield* writes(app, app.image, "kept")
      renameSync(app.image, `${app.directory}/other`)
      const words = ["-c", "exec \"$0\" fim-layer list", `${app.directory}/other`]
      assert.strictEqual((yield* app.run(words, { program: "/bin/sh" })).code, 0)
      assert.deepStrictEqual(dataBeside(app), [".app.flatimage.data"])
    }))
})

describe("the data directory", () => {
  scenario(
    "of an image that is moved to another file system stays, and can be moved too",
    [...images, root],
    () =>
      Effect.gen(function*() {
        const app = yield* place(self, { copy: true })
        yield* writes(app, app.image, "kept")
        const disk = yield* smallDisk(`${app.directory}/disk`, 512 << 20)
        execFileSync("mv", [app.image, `${disk}/app.flatimage`])
        const home = { XDG_DATA_HOME: `${app.directory}/data-home` }
        assert.deepStrictEqual(yield* guest(app, `${disk}/app.flatimage`, read, home), [0, "nothing\n", ""])
        rmSync(`${disk}/.app.flatimage.data`, { recursive: true })
        execFileSync("cp", ["-a", app.data, `${disk}/.app.flatimage.data`])
        assert.deepStrictEqual(yield* guest(app, `${disk}/app.flatimage`, read, home), [0, "kept\n", ""])
      })
  )

  scenario("of a read-only image in a read-only directory is in the data home, also under another name", [
    ...images,
    root
  ], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary, { copy: true })
      chownSync(app.directory, 0, 0)
      chownSync(app.image, 0, 0)
      chmodSync(app.image, 0o555)
      const home = `${app.home}/.local/share/flatimage`
      yield* writes(app, app.image, "kept")
      assert.deepStrictEqual(readdirSync(home), [".app.flatimage.data"])
      assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "kept\n", ""])
      const image = `${app.directory}/other`
      renameSync(app.image, image)
      const [code, stdout, stderr] = yield* guest(app, image, read)
      assert.deepStrictEqual([code, stdout], [0, "kept\n"])
      assert.include(stderr, "The image was renamed")
      assert.deepStrictEqual(readdirSync(home), [".other.data"])
      // To where a directory could be made beside it.
      mkdirSync(`${app.home}/bin`)
      own(app, `${app.home}/bin`)
      renameSync(image, `${app.home}/bin/other`)
      assert.deepStrictEqual(yield* guest(app, `${app.home}/bin/other`, read), [0, "kept\n", ""])
    }))

  scenario(
    "of two images with one name in read-only directories are two",
    [...images, root],
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        const paths = ["x", "y"].map((name) => `${app.directory}/${name}/tool`)
        for (const [index, path] of paths.entries()) {
          mkdirSync(path.slice(0, -5))
          copyFileSync(app.image, path)
          setIdentity(path, `${index + 1}`.repeat(32))
        }
        const [x = "", y = ""] = paths
        yield* writes(app, x, "x")
        const [code, , stderr] = yield* guest(app, y, "echo y > /srv/state")
        assert.strictEqual(code, 0)
        assert.match(stderr, /^W::Data directory [^\n]*tool-22222222\.data[^\n]*\n$/)
        assert.deepStrictEqual(yield* guest(app, x, read), [0, "x\n", ""])
        assert.deepStrictEqual(yield* guest(app, y, read), [0, "y\n", ""])
        assert.deepStrictEqual(readdirSync(`${app.home}/.local/share/flatimage`).sort(), [
          ".tool-22222222.data",
          ".tool.data"
        ])
      })
  )

  scenario(
    "of two images with one name that start for the first time at once are two",
    [...images, root],
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        const paths = ["1", "2", "3"].map((name) => `${app.directory}/${name}/tool`)
        for (const [index, path] of paths.entries()) {
          mkdirSync(path.slice(0, -5))
          copyFileSync(app.image, path)
          setIdentity(path, `${index + 1}`.repeat(32))
        }
        const all = <A>(run: (path: string) => Effect.Effect<A, unknown>) =>
          Effect.all(paths.map(run), { concurrency: "unbounded" })
        yield* all((path) => guest(app, path, `echo ${path} > /srv/state`))
        const outcomes = yield* all((path) => guest(app, path, read))
        assert.deepStrictEqual(outcomes.map(([, stdout]) => stdout), paths.map((path) => `${path}\n`))
        assert.lengthOf(readdirSync(`${app.home}/.local/share/flatimage`), 3)
      })
  )

  scenario("of each of two users is his own", [...images, root], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary, { copy: true })
      chownSync(app.directory, 0, 0)
      chownSync(app.image, 0, 0)
      const rooted = yield* place(self)
      const words = ["-c", `exec "$0" fim-exec sh -c 'echo root > /srv/state'`, app.image]
      assert.strictEqual((yield* rooted.run(words, { program: "/bin/sh", directory: "/" })).code, 0)
      yield* writes(app, app.image, "user")
      assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "user\n", ""])
      assert.isTrue(existsSync(`${app.data}/data/srv/state`))
      assert.strictEqual(readFileSync(`${app.data}/data/srv/state`, "utf8"), "root\n")
    }))

  scenario("is not made by root beside the image of a user, in whose directory it would be in the way", [
    ...images,
    root
  ], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary, { copy: true })
      const rooted = yield* place(self)
      const words = ["-c", `exec "$0" fim-exec sh -c 'echo root > /srv/state'`, app.image]
      const first = yield* rooted.run(words, { program: "/bin/sh", directory: "/" })
      assert.deepStrictEqual([first.code, first.stderr], [0, ""])
      assert.isFalse(existsSync(app.data))
      assert.isTrue(existsSync(`${rooted.home}/.local/share/flatimage/.app.flatimage.data`))
      yield* writes(app, app.image, "user")
      assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "user\n", ""])
      assert.isTrue(existsSync(`${app.data}/data/srv/state`))
    }))

  scenario(
    "of root beside the image of a user is passed over with one line",
    [...images, root],
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary, { copy: true })
        for (const name of ["data", "work"]) mkdirSync(`${app.data}/${name}`, { recursive: true })
        chmodSync(app.data, 0o700)
        const [code, stdout, stderr] = yield* guest(app, app.image, "echo user > /srv/state")
        assert.deepStrictEqual([code, stdout], [0, ""])
        assert.match(
          stderr,
          /^W::Data directory '.*' cannot be used, '.*' is used: '.*' belongs to the user root[^\n]*FIM_DIR_DATA=[^\n]*\n$/
        )
        assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "user\n", ""])
      })
  )

  scenario("of another user, beside an image, is no reason to use it", [...images, root], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary, { copy: true })
      yield* writes(app, app.image, "mine")
      // As another user would put it into a shared directory, to have his files run.
      const planted = `${app.directory}/.planted.data`
      renameSync(app.data, planted)
      execFileSync("chown", ["-R", "1:1", planted])
      execFileSync("chmod", ["-R", "a+rwX", planted])
      chmodSync(app.directory, 0o1777)
      const image = `${app.directory}/other`
      renameSync(app.image, image)
      assert.deepStrictEqual(yield* guest(app, image, read), [0, "nothing\n", ""])
      assert.isTrue(existsSync(planted))
    }))

  scenario("with a record of another user is used by its name", [...images, root], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary, { copy: true })
      yield* writes(app, app.image, "kept")
      chownSync(`${app.data}/image.json`, 1, 1)
      const [code, stdout, stderr] = yield* guest(app, app.image, read)
      assert.deepStrictEqual([code, stdout], [0, "kept\n"])
      assert.match(stderr, /is not used, it belongs to user 1;/)
      assert.deepStrictEqual(yield* guest(app, app.image, read), [0, "kept\n", ""])
    }))
})
