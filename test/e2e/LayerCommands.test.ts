import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { elsewhere, guest, said, succeeds, tree } from "../support/Commands.ts"
import { appendLayer, makeLayer, makeMark } from "../support/Layers.ts"
import { images, program, root, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { smallDisk } from "../support/Rungs.ts"
import { self, users } from "../support/Users.ts"

const last = "E::The program exited with an error"

const packing = (target: string) => [
  "Gathering files to compress...",
  "Compression level: '6'",
  `Compress filesystem to '${target}'`,
  "Filesystem created without errors"
]

/** A layer below what the guest changes. */
const below = { "x/a": "a\n", "x/sub/b": "b\n", "x/sub/deep/c": "c\n", y: "y\n", "z/keep": "keep\n", "z/go": "go\n" }

const change = `
  rm -r /x && mkdir -p /x/sub && echo new > /x/sub/new
  rm /y /z/go && echo more >> /z/keep
  mkdir -m 751 /opt/d && echo hello > /opt/d/f && chmod 640 /opt/d/f
  ln /opt/d/f /opt/d/g && ln -s f /opt/d/l`

const look = `
  cd / && find x y z opt/d 2>/dev/null | sort && cat x/sub/new z/keep opt/d/l
  stat -c '%a %h %n' opt/d opt/d/f && readlink opt/d/l`

const changed = [
  "opt/d",
  "opt/d/f",
  "opt/d/g",
  "opt/d/l",
  "x",
  "x/sub",
  "x/sub/new",
  "z",
  "z/keep",
  "new",
  "keep",
  "more",
  "hello",
  "751 2 opt/d",
  "640 2 opt/d/f",
  "f"
]

/**
 * Waits until the kernel starts the image: who was killed while he wrote to it has it open for a moment more, and a file that is
 * open for writing cannot be started ("Text file busy", 126).
 */
const closed = Effect.fnUntraced(function*(app: Place) {
  for (let attempt = 0; attempt < 100; attempt++) {
    if ((yield* app.run(["fim-version", "short"])).code !== 126) return
    yield* Effect.sleep(20)
  }
})

/** Ends a process, or with a negative number a group of them, where they have not ended yet. */
const kill = (pid: number) => Effect.ignore(Effect.try(() => process.kill(pid, "SIGKILL")))

/** A layer of random bytes. */
const largeLayer = (path: string, bytes: number): string =>
  makeLayer(path, { large: randomBytes(bytes).toString("latin1") })

describe.each(users)("as $name", (user) => {
  for (const type of ["bwrap", "overlayfs", "unionfs"]) {
    scenario(`a commit to the image keeps changes and deletions of ${type}`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        appendLayer(app.image, makeLayer(`${app.directory}/below`, below))
        const environment = { FIM_OVERLAY: type }
        yield* guest(app, change, environment)
        // No other type took its place.
        assert.strictEqual(existsSync(`${app.data}/data/.unionfs-fuse`), type === "unionfs")
        const stdout = yield* succeeds(app, ["fim-layer", "commit", "binary"], environment)
        assert.deepStrictEqual(said(stdout), [
          ...packing(app.image),
          "Filesystem appended to binary without errors",
          "Finished erasing files"
        ])
        assert.deepStrictEqual([readdirSync(`${app.data}/data`), readdirSync(`${app.data}/tmp`)], [[], []])
        assert.deepStrictEqual((yield* elsewhere(app, look)).trimEnd().split("\n"), changed)
        assert.deepStrictEqual((yield* guest(app, look)).trimEnd().split("\n"), changed)
        yield* app.isClean
      }))
  }

  scenario("commits to the data directory are numbered, and lie on one another", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (const number of [0, 1]) {
        yield* guest(app, `echo ${number} > /top; echo ${number} > /own-${number}; rm -f /own-${number - 1}`)
        const path = `${app.data}/layers/layer-00${number}.layer`
        assert.deepStrictEqual(said(yield* succeeds(app, ["fim-layer", "commit", "layer"])), [
          ...packing(path),
          `Layer number: ${number}`,
          `Layer path: ${path}`,
          `Layer saved to '${path}'`,
          "Finished erasing files"
        ])
      }
      assert.strictEqual(yield* guest(app, "cat /top; ls -d /own-*"), "1\n/own-1\n")
      yield* app.isClean
    }))

  scenario("a commit to a file can be added to an image", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* guest(app, "echo mine > /mine")
      const file = `${app.home}/mine.layer`
      const committed = said(
        yield* succeeds(app, ["fim-layer", "commit", "file", file], { FIM_COMPRESSION_LEVEL: "-3" })
      )
      assert.includeMembers(committed, ["Compression level: '0'", `Layer saved to '${file}'`, "Finished erasing files"])
      assert.deepStrictEqual(readdirSync(app.home), ["mine.layer"])
      assert.strictEqual(yield* elsewhere(app, "cat /mine", { FIM_LAYERS: file }), "mine\n")
      const added = yield* succeeds(app, ["fim-layer", "add", file])
      assert.deepStrictEqual(said(added), [`Included novel layer from file '${file}'`])
      assert.strictEqual(yield* elsewhere(app, "cat /mine"), "mine\n")
      yield* app.isClean
    }))

  scenario(
    "a commit keeps a file without permissions",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        yield* guest(app, "echo secret > /secret; chmod 0 /secret")
        yield* succeeds(app, ["fim-layer", "commit", "binary"])
        assert.strictEqual(yield* elsewhere(app, "stat -c %a /secret"), "0\n")
      })
  )

  scenario(
    "a commit is refused while an instance runs on the data directory, and changes nothing",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const running = yield* app.start(["fim-exec", "sh", "-c", "echo mine > /mine; echo ready; read line"], {
          interactive: true
        })
        yield* running.says(/ready/)
        const before = { data: tree(`${app.data}/data`), image: readFileSync(app.image) }
        const refused = yield* app.run(["fim-layer", "commit", "binary"])
        assert.strictEqual(refused.code, 125)
        assert.match(
          refused.stderr,
          /^E::the data directory '.*' is in use by a running instance; end it, then commit\n/
        )
        assert.deepStrictEqual(tree(`${app.data}/data`), before.data)
        assert.isTrue(before.image.equals(readFileSync(app.image)))
        // From another data directory the same image can be written to.
        yield* elsewhere(app, "echo other > /other")
        yield* succeeds(app, ["fim-layer", "commit", "binary"], { FIM_DIR_DATA: `${app.home}/elsewhere` })
        yield* running.write("\n")
        assert.strictEqual((yield* running.outcome).code, 0)
        assert.strictEqual(yield* guest(app, "cat /mine /other"), "mine\nother\n")
      })
  )

  scenario("what is no sound layer is not added, and the image stays as it is", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const sound = readFileSync(makeMark(`${app.directory}/sound`, 1))
      const flipped = Buffer.from(sound)
      flipped[sound.length >> 1] = (flipped[sound.length >> 1] ?? 0) ^ 1
      const files = {
        empty: Buffer.alloc(0),
        text: Buffer.from("no layer"),
        "begins as one": Buffer.from("DWARFS and nothing behind it"),
        "cut off": sound.subarray(0, -1),
        longer: Buffer.concat([sound, Buffer.from("x")]),
        flipped
      }
      const before = readFileSync(app.image)
      for (const [name, content] of Object.entries(files)) {
        writeFileSync(`${app.directory}/${name}`, content)
        const outcome = yield* app.run(["fim-layer", "add", `${app.directory}/${name}`])
        assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""], name)
        assert.match(
          outcome.stderr,
          /^E::Could not append a layer to '.*': '.*' is not a sound DwarFS image: .*\n/,
          name
        )
        assert.isTrue(before.equals(readFileSync(app.image)), name)
      }
      yield* succeeds(app, ["fim-layer", "add", `${app.directory}/sound`])
    }))

  scenario(
    "an add that is killed leaves the old layers or the new ones, and the next one works",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const layer = largeLayer(`${app.directory}/large`, 12 << 20)
        const mark = makeMark(`${app.directory}/mark`, 1)
        const original = readFileSync(app.image)
        const seen = new Set<string>()
        for (const delay of [150, 250, 300, 350, 400, 450, 500, 600]) {
          yield* Effect.scoped(Effect.gen(function*() {
            const adding = yield* app.start(["fim-layer", "add", layer])
            yield* Effect.sleep(delay)
            yield* kill(-adding.pid)
            yield* adding.exited
          }))
          const size = statSync(app.image).size
          const count = (yield* succeeds(app, ["fim-layer", "list"])).trimEnd().split("\n").length
          assert.include([1, 2], count)
          seen.add(`${count} layers, ${size === original.length ? "nothing behind" : "something behind"}`)
          assert.isTrue(readFileSync(app.image).subarray(0, original.length).equals(original))
          yield* succeeds(app, ["fim-layer", "add", mark])
          assert.strictEqual(yield* elsewhere(app, "cat /top"), "1\n")
          const list = (yield* succeeds(app, ["fim-layer", "list"])).trimEnd().split("\n")
          assert.strictEqual(list.length, count + 1)
          const end = (list.at(-1) ?? "").split(":").slice(1, 3).map(Number).reduce((sum, part) => sum + part, 0)
          assert.strictEqual(statSync(app.image).size, end)
          writeFileSync(app.image, original)
        }
        assert.isAbove(seen.size, 1, [...seen].join("; "))
      }),
    240_000
  )

  scenario(
    "a commit that is killed leaves the changes where they were, or in the image",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const original = readFileSync(app.image)
        const fill = "head -c 12000000 /dev/urandom > /random; echo mine > /mine; rm -f /etc/shells"
        const digest = "sha256sum /random; cat /mine; test -e /etc/shells || echo gone"
        yield* guest(app, fill)
        let expected = yield* guest(app, digest)
        for (const [index, delay] of [150, 250, 300, 350, 400, 450, 500, 600, 800].entries()) {
          yield* Effect.scoped(Effect.gen(function*() {
            const environment = { FIM_COMPRESSION_LEVEL: "1" }
            const committing = yield* app.start(["fim-layer", "commit", "binary"], { environment })
            yield* Effect.sleep(delay)
            // In turn the boot program alone and all that it has started.
            yield* kill(index % 2 === 0 ? committing.pid : -committing.pid)
            yield* committing.exited
          }))
          yield* closed(app)
          assert.strictEqual(yield* guest(app, digest), expected, `killed after ${delay} ms`)
          if (existsSync(`${app.data}/data/random`)) continue
          assert.strictEqual(yield* elsewhere(app, digest), expected)
          writeFileSync(app.image, original)
          yield* guest(app, fill)
          expected = yield* guest(app, digest)
        }
        yield* succeeds(app, ["fim-layer", "commit", "binary"])
        assert.deepStrictEqual(readdirSync(`${app.data}/tmp`), [])
        assert.strictEqual(yield* elsewhere(app, digest), expected)
      }),
    240_000
  )
})

describe("fim-layer", () => {
  scenario("says what is wrong", images, () =>
    Effect.gen(function*() {
      const app = yield* place(self, { copy: true })
      const there = `${app.directory}/there`
      writeFileSync(there, "")
      const usage: ReadonlyArray<readonly [words: ReadonlyArray<string>, text: string]> = [
        [[], "Missing op for 'fim-layer' (create,add,commit,list)\nE::There are rollback and squash too"],
        [
          ["remove"],
          "Invalid layer operation\nE::'remove' is not one of ['create','add','commit','list','rollback','squash',]"
        ],
        [["create"], "create requires exactly two arguments (/path/to/dir /path/to/file.layer)"],
        [
          ["create", "a", "b", "c"],
          "create requires exactly two arguments (/path/to/dir /path/to/file.layer)\nE::Trailing arguments for fim-layer: ['c',]"
        ],
        [["add"], "add requires exactly one argument (/path/to/file.layer)"],
        [
          ["add", "a", "b"],
          "add requires exactly one argument (/path/to/file.layer)\nE::Trailing arguments for fim-layer: ['b',]"
        ],
        [["Commit", "image"], "Invalid commit operation\nE::'image' is not one of ['binary','layer','file',]"],
        [["commit", "file"], "Missing path for 'file' operation"],
        [["commit", "file", "a", "b", "c"], "Trailing arguments for fim-layer commit: ['b','c',]"],
        [["commit", "BINARY", "a"], "Trailing arguments for fim-layer commit: ['a',]"],
        [["list", "a"], "Trailing arguments for fim-layer list: ['a',]"],
        [["rollback", "0"], "rollback takes a number of layers from 1 on, not '0'"],
        [["rollback", "-1"], "rollback takes a number of layers from 1 on, not '-1'"],
        [["rollback", "1", "2"], "Trailing arguments for fim-layer rollback: ['2',]"],
        [["squash", "1"], "squash takes a number of layers from 2 on, not '1'"],
        [["squash", "two"], "squash takes a number of layers from 2 on, not 'two'"]
      ]
      for (const [words, text] of usage) {
        const outcome = yield* app.run(["fim-layer", ...words])
        const expected = { code: 125, stdout: "", stderr: `E::${text}\nE::Could not parse arguments\n${last}\n` }
        const { code, stderr, stdout } = outcome
        assert.deepStrictEqual({ code, stdout, stderr }, expected, words.join(" "))
      }
      const failures: ReadonlyArray<readonly [words: ReadonlyArray<string>, text: RegExp]> = [
        [["create", "/no/such", "b"], /^E::Source directory '\/no\/such' does not exist\n/],
        [["create", there, "b"], /^E::Source '.*' is not a directory\n/],
        [["commit"], /^E::there is nothing to commit in '.*\/data'\n/],
        [["add", "/no/such"], /^E::Failed to open input file '\/no\/such'\n/],
        [["add", "/"], /^E::Failed to open input file '\/'\n/],
        [["commit", "file", there], /^E::Destination file already exists\n/],
        [["commit", "layer"], /^E::there is nothing to commit in '.*\/data'\n/],
        [["create", "/proc/self/fd", "/no/such/file"], /E::mkdwarfs ended with code 1\n/]
      ]
      for (const [words, text] of failures) {
        const { code, stderr } = yield* app.run(["fim-layer", ...words])
        assert.strictEqual(code, 125, words.join(" "))
        assert.match(stderr, text)
      }
    }))

  scenario(
    "lists layers in the order of numbers, without making a data directory",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(self)
        assert.match(yield* succeeds(app, ["fim-layer", "list"]), /^0:\d+:\d+:.*app\.flatimage\n$/)
        assert.isFalse(existsSync(app.data))
        const listed = makeMark(`${app.home}/listed`, 99)
        const layers = `${app.data}/layers`
        for (let number = 0; number < 13; number++) makeMark(`${layers}/layer-${number}.layer`, number)
        const lines = (yield* succeeds(app, ["fim-layer", "list"], {
          FIM_LAYERS: "~/${NAME}:$NOTHING",
          NAME: "listed"
        })).trimEnd().split("\n")
        assert.deepStrictEqual(lines.slice(1).map((line) => line.replace(/^(\d+):0:\d+:/, "$1 ")), [
          `1 ${listed}`,
          ...Array.from({ length: 13 }, (_, number) => `${number + 2} ${layers}/layer-${number}.layer`)
        ])
        const json = JSON.parse(yield* succeeds(app, ["fim-layer", "list", "--json"])) as ReadonlyArray<unknown>
        assert.strictEqual(json.length, 14)
        assert.include(yield* succeeds(app, ["fim-layer", "list", "--long"]), `  data   0         `)
      })
  )

  scenario("does not commit into the image what a layer above it would hide", images, () =>
    Effect.gen(function*() {
      const app = yield* place(self, { copy: true })
      const FIM_LAYERS = makeLayer(`${app.directory}/above`, { "a/b": "above\n", "c/d": "above\n" })
      for (const script of ["echo mine > /a/b", "rm /a/b", "rm -r /c"]) {
        yield* guest(app, script, { FIM_LAYERS })
        const before = tree(`${app.data}/data`)
        const refused = yield* app.run(["fim-layer", "commit", "binary"], { environment: { FIM_LAYERS } })
        assert.strictEqual(refused.code, 125, script)
        assert.match(refused.stderr, /^E::'\/(a\/b|c)' would be hidden by a layer outside of the image/)
        assert.deepStrictEqual(tree(`${app.data}/data`), before)
        yield* succeeds(app, ["fim-layer", "commit", "layer"], { FIM_LAYERS })
      }
    }))

  scenario("writes to an image of which instances run and are started", images, () =>
    Effect.gen(function*() {
      const app = yield* place(self, { copy: true })
      const layer = largeLayer(`${app.directory}/large`, 4 << 20)
      const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; read line; cat /etc/hosts"], {
        interactive: true
      })
      yield* running.says(/ready/)
      yield* succeeds(app, ["fim-layer", "add", layer])
      assert.strictEqual(yield* elsewhere(app, "test -s /large && echo there"), "there\n")
      yield* running.write("\n")
      assert.strictEqual((yield* running.outcome).code, 0)
    }))

  scenario(
    "leaves image and changes as they were when the disk is full",
    [...images, root],
    () =>
      Effect.gen(function*() {
        const app = yield* place(self)
        const disk = yield* smallDisk(`${app.directory}/disk`, statSync(app.image).size + (6 << 20))
        const image = `${disk}/app`
        copyFileSync(app.image, image)
        const before = readFileSync(image)
        const layer = largeLayer(`${app.directory}/large`, 12 << 20)
        const added = yield* app.run(["fim-layer", "add", layer], { program: image })
        assert.strictEqual(added.code, 125)
        assert.match(added.stderr, /^E::Could not append a layer to '.*': No space left on device\n/)
        assert.isTrue(before.equals(readFileSync(image)))
        // The changes on another disk: the image has no room. Then with the image: the new layer has none.
        for (const [data, bytes] of [[`${app.home}/data`, 12_000_000], [`${disk}/data`, 4_000_000]] as const) {
          const options = { program: image, environment: { FIM_DIR_DATA: data } }
          const script = `head -c ${bytes} /dev/urandom > /random; rm /etc/shells`
          assert.strictEqual((yield* app.run(["fim-exec", "sh", "-c", script], options)).code, 0)
          const changes = tree(`${data}/data`)
          const committed = yield* app.run(["fim-layer", "commit", "binary"], options)
          assert.strictEqual(committed.code, 125)
          assert.include(committed.stderr, "No space left on device")
          assert.deepStrictEqual(tree(`${data}/data`), changes)
          assert.deepStrictEqual(readdirSync(`${data}/tmp`), [])
          assert.isTrue(before.equals(readFileSync(image)))
        }
      })
  )

  scenario("refuses what only an attribute says", [...images, root, program("setfattr")], () =>
    Effect.gen(function*() {
      const app = yield* place(self, { copy: true })
      yield* guest(app, "mkdir /renamed")
      const path = `${app.data}/data/renamed`
      execFileSync("setfattr", ["-n", "trusted.overlay.redirect", "-v", "/opt/a-long-name-of-a-directory", path])
      const refused = yield* app.run(["fim-layer", "commit", "binary"])
      assert.strictEqual(refused.code, 125)
      assert.match(
        refused.stderr,
        /^E::'.*\/renamed' has the attribute trusted\.overlay\.redirect, which a layer cannot/
      )
      assert.isTrue(existsSync(path))
    }))
})
