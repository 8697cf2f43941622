/** Layers of an image taken out again, and merged. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { elsewhere, guest, said, succeeds } from "../support/Commands.ts"
import { Failure } from "../support/Failure.ts"
import { appendLayer, makeLayer, makeMark, packLayer } from "../support/Layers.ts"
import { images, program, root, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { smallDisk } from "../support/Rungs.ts"
import { ordinary, self, users } from "../support/Users.ts"

/**
 * Everything that the guest can find out about the files of the image. Links are counted elsewhere: an overlay counts those that
 * are gone too. It also lists deletions in directories that are in no other layer, of which nothing else is seen.
 */
const walk = `
  names() {
    find . -xdev \\( -path ./proc -o -path ./dev -o -path ./sys -o -path ./tmp -o -path ./run -o -path ./etc \\) -prune -o \\
      ! -path . "$@" -print 2> /dev/null | sort
  }
  cd /
  names | xargs stat -c '%N %f %u %g %Y %t %T' 2> /dev/null
  names -type f | xargs sha256sum`

const layersOf = (app: Place) =>
  Effect.map(succeeds(app, ["fim-layer", "list"]), (text) => text.trimEnd().split("\n").length)

/** Files beside the image that are not the image or its data directory. */
const beside = (app: Place) =>
  readdirSync(app.directory).filter((name) => name.startsWith("app.flatimage.") || name.endsWith(".unfinished"))

/** An image with layers on its own one. */
const withLayers = (app: Place, make: ReadonlyArray<(path: string) => string>) =>
  Effect.sync(() => {
    for (const [index, one] of make.entries()) appendLayer(app.image, one(`${app.directory}/made/${index + 1}`))
  })

const mark = (number: number) => (path: string) => makeMark(path, number)

/** Numbers from 0 to 1 that are the same for the same seed. */
const numbers = (seed: number) => {
  let state = Math.imul(seed, 40_503) & 0x7fff_ffff
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return state / 0x8000_0000
  }
}

/** Fills a directory with some of four names, each of any kind, deletions among them. */
const grow = (directory: string, next: () => number, files: Array<string>, depth = 0): void => {
  for (const name of ["a", "b", "c", "d"]) {
    const path = `${directory}/${name}`
    const kind = next()
    if (kind < 0.25) continue
    const target = files[Math.floor(next() * files.length)]
    if (kind < 0.4) execFileSync("mknod", [path, "c", "0", "0"])
    else if (kind < 0.45) symlinkSync(`../${name}`, path)
    else if (kind < 0.5 && target !== undefined) linkSync(target, path)
    else if (kind < 0.6 || depth === 3) {
      writeFileSync(path, `${next()}\n`)
      chmodSync(path, [0o644, 0o4755, 0o600, 0o1777][Math.floor(next() * 4)] ?? 0)
      files.push(path)
    } else {
      mkdirSync(path)
      grow(path, next, files, depth + 1)
      chmodSync(path, [0o755, 0o2775, 0o1777][Math.floor(next() * 3)] ?? 0)
    }
    if (kind >= 0.5) utimesSync(path, 1_000_000_000, Math.floor(next() * 1_000_000_000))
  }
}

/** A layer of several such trees. */
const grown = (layer: number) => (path: string) =>
  packLayer(path, (directory) => {
    for (let tree = 0; tree < 6; tree++) {
      mkdirSync(`${directory}/grown/${tree}`, { recursive: true })
      grow(`${directory}/grown/${tree}`, numbers(100 * tree + layer), [])
    }
  })

/** Waits until something is so. */
const until = (what: string, holds: () => boolean) =>
  Effect.gen(function*() {
    while (!holds()) yield* Effect.sleep(1)
  }).pipe(Effect.timeoutOrElse({
    duration: "20 seconds",
    orElse: () => Effect.fail(new Failure({ detail: `it did not come to this: ${what}` }))
  }))

/** Kills a command and all that it has started once it has come so far, or has ended. The answer is whether it was killed. */
const killOnce = Effect.fnUntraced(
  function*(app: Place, words: ReadonlyArray<string>, what: string, holds: () => boolean) {
    const running = yield* app.start(words, { environment: { FIM_COMPRESSION_LEVEL: "1" } })
    const ended = () => running.child.exitCode !== null
    yield* until(what, () => holds() || ended())
    const killed = !ended()
    yield* Effect.ignore(Effect.try(() => process.kill(-running.pid, "SIGKILL")))
    yield* running.exited
    yield* app.isClean
    return killed
  },
  Effect.scoped
)

const largeLayer = (bytes: number) => (path: string) =>
  makeLayer(path, { large: randomBytes(bytes).toString("latin1") })

describe.each(users)("as $name", (user) => {
  scenario(
    "a rollback puts layers beside the image, and add puts them back as they were",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const original = readFileSync(app.image)
        // What a commit adds; all before it is compared at the end.
        const added = () => readFileSync(app.image).subarray(original.length)
        const states = [added()]
        for (const number of [1, 2, 3]) {
          yield* guest(app, `echo ${number} > /top; echo ${number} > /own-${number}; rm -f /own-${number - 1}`)
          yield* succeeds(app, ["fim-layer", "commit", "binary"])
          states.push(added())
        }
        const file = (index: number) => `${app.image}.${index}.layer`
        const backTo = (number: number) => assert.isTrue(added().equals(states[number]!), `layer ${number}`)
        assert.deepStrictEqual(said(yield* succeeds(app, ["fim-layer", "rollback"])), [
          `Layer 3 saved to '${file(3)}'`,
          "Layers left in the image: 3"
        ])
        backTo(2)
        assert.strictEqual(yield* elsewhere(app, "cat /top; ls -d /own-*"), "2\n/own-2\n")
        assert.deepStrictEqual(said(yield* succeeds(app, ["fim-layer", "Rollback", "2"])), [
          `Layer 1 saved to '${file(1)}'`,
          `Layer 2 saved to '${file(2)}'`,
          "Layers left in the image: 1"
        ])
        backTo(0)
        assert.deepStrictEqual(beside(app), [1, 2, 3].map((index) => `app.flatimage.${index}.layer`))
        for (const index of [1, 2, 3]) {
          const { gid, mode, uid } = statSync(file(index))
          assert.deepStrictEqual([uid, gid, mode & 0o7777], [user.uid, user.gid, 0o644])
          yield* succeeds(app, ["fim-layer", "add", file(index)])
          backTo(index)
        }
        // A file that a rollback would write is no obstacle if it is that layer, and stays if it is not.
        writeFileSync(file(2), "mine")
        const refused = yield* app.run(["fim-layer", "rollback", "2"])
        assert.strictEqual(refused.code, 125)
        assert.include(refused.stderr, `E::Layer 2 has no place: '${file(2)}' is another file\n`)
        backTo(3)
        rmSync(file(2))
        yield* succeeds(app, ["fim-layer", "rollback", "2"])
        backTo(1)
        assert.isFalse(existsSync(`${app.directory}/.app.flatimage.unfinished`))
        yield* app.isClean
      })
  )

  scenario("a squash shows the guest what the layers did that it stands for", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* withLayers(app, [
        (path) =>
          makeLayer(path, {
            "x/a": "a\n",
            "x/sub/b": "b\n",
            "x/sub/deep/c": "c\n",
            y: "y\n",
            "z/keep": "keep\n",
            "z/go": "go\n"
          })
      ])
      // A directory that is made again hides what the layers below have in it.
      yield* guest(app, "rm -r /x && mkdir -p /x/sub && echo new > /x/sub/new; rm /y /z/go; echo more >> /z/keep")
      yield* succeeds(app, ["fim-layer", "commit", "binary"])
      yield* guest(
        app,
        "rm -r /x/sub; mkdir -m 751 /opt/d; echo hi > /opt/d/f; ln /opt/d/f /opt/d/g; ln -s f /opt/d/l; mkfifo /opt/p"
      )
      yield* succeeds(app, ["fim-layer", "commit", "binary"])
      const look = `${walk}; stat -c '%h %n' /opt/d/f /opt/d/g; ls -R /x /z`
      const before = yield* elsewhere(app, look)
      assert.match(before, /\.\/opt\/d\/g[^]*2 \/opt\/d\/g\n\/x:\n\n\/z:\nkeep\n$/)
      const [gathering, level, compress, created, merged] = said(
        yield* succeeds(app, ["fim-layer", "squash", "2"], { FIM_COMPRESSION_LEVEL: "3" })
      )
      assert.deepStrictEqual([gathering, level, compress, created], [
        "Gathering files to compress...",
        "Compression level: '3'",
        `Compress filesystem to '${app.image}'`,
        "Filesystem created without errors"
      ])
      assert.match(merged ?? "", /^Layers 2 to 3 of \d+ bytes are now layer 2 of \d+ bytes$/)
      assert.strictEqual(yield* layersOf(app), 3)
      assert.strictEqual(yield* elsewhere(app, look), before)
      yield* succeeds(app, ["fim-layer", "squash"], { FIM_COMPRESSION_LEVEL: "1" })
      assert.strictEqual(yield* layersOf(app), 1)
      assert.strictEqual(yield* elsewhere(app, look), before)
      assert.deepStrictEqual(beside(app), [])
      yield* app.isClean
    }))

  scenario("both leave running instances what they have, and let others start", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* withLayers(app, [mark(1), mark(2), largeLayer(4 << 20)])
      const expected = (yield* elsewhere(app, "sha256sum /large /top")).trimEnd()
      const running = yield* app.start([
        "fim-exec",
        "sh",
        "-c",
        "echo ready; while read line; do sha256sum /large /top; done"
      ], {
        interactive: true
      })
      yield* running.says(/ready/)
      yield* succeeds(app, ["fim-layer", "rollback"])
      yield* succeeds(app, ["fim-layer", "squash"], { FIM_COMPRESSION_LEVEL: "1" })
      assert.strictEqual(yield* elsewhere(app, "cat /top; test -e /large || echo none"), "2\nnone\n")
      yield* running.write("\n")
      yield* running.says(new RegExp(expected))
    }))
})

describe("fim-layer", () => {
  for (
    const [operation, steps] of [
      ["rollback", ["", "1", "saved", "image", "replaced"]],
      ["squash", ["layer", "image", "replaced"]]
    ] as const
  ) {
    scenario(`a ${operation} that is killed leaves the old image or the new one`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary, { copy: true })
        yield* withLayers(app, [largeLayer(8 << 20)])
        const original = readFileSync(app.image)
        const content = yield* elsewhere(app, "sha256sum /large")
        const scratch = `${app.directory}/.app.flatimage.unfinished`
        const saved = `${app.image}.1.layer`
        const seen = new Set<string>()
        for (const step of steps) {
          const { ino } = statSync(app.image)
          const holds = () =>
            step === "replaced"
              ? statSync(app.image).ino !== ino
              : existsSync(step === "saved" ? saved : `${scratch}/${step}`)
          const killed = yield* killOnce(app, ["fim-layer", operation], step, holds)
          const isOld = readFileSync(app.image).equals(original)
          seen.add(`${killed ? "killed" : "done"}, ${isOld ? "old" : "new"}`)
          if (!isOld) {
            assert.strictEqual(yield* layersOf(app), 1, step)
            if (operation === "rollback") yield* succeeds(app, ["fim-layer", "add", saved])
          }
          assert.strictEqual(yield* elsewhere(app, "sha256sum /large"), content, step)
          // What was left disturbs nobody, and the next one takes it away.
          if (isOld) yield* succeeds(app, ["fim-layer", operation], { FIM_COMPRESSION_LEVEL: "1" })
          if (isOld) {
            assert.deepStrictEqual(beside(app), operation === "rollback" ? ["app.flatimage.1.layer"] : [], step)
          }
          rmSync(saved, { force: true })
          writeFileSync(app.image, original)
        }
        assert.include([...seen], "killed, old")
      }))
  }

  scenario(
    "squash shows what the overlay of the kernel shows, for layers of any kind",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(self, { copy: true })
        yield* withLayers(app, [1, 2, 3, 4, 5].map(grown))
        const before = yield* elsewhere(app, walk)
        assert.isAbove(before.split("./grown/").length, 100)
        // The merged ones lie on those that stay, and the next ones on what was merged.
        for (const count of [2, 3, 2]) {
          yield* succeeds(app, ["fim-layer", "squash", String(count)], { FIM_COMPRESSION_LEVEL: "1" })
          assert.strictEqual(yield* elsewhere(app, walk), before, `${count} layers`)
        }
      })
  )

  scenario("rollback and squash keep owner, mode and attributes of the image, and follow links to it", [
    ...images,
    program("setfattr")
  ], () =>
    Effect.gen(function*() {
      const app = yield* place(self, { copy: true })
      yield* withLayers(app, [mark(1), mark(2), mark(3)])
      chmodSync(app.image, 0o750)
      execFileSync("setfattr", ["-n", "user.origin", "-v", "here", app.image])
      const link = `${app.home}/link`
      symlinkSync(app.image, link)
      linkSync(app.image, `${app.home}/other`)
      const other = readFileSync(`${app.home}/other`)
      const rolled = yield* app.run(["fim-layer", "rollback"], { program: link })
      assert.strictEqual(rolled.code, 0)
      assert.match(rolled.stderr, /^W::'.*\/app\.flatimage' has 1 more name: the old image stays there\n$/)
      yield* succeeds(app, ["fim-layer", "squash", "2"])
      assert.isTrue(lstatSync(link).isSymbolicLink())
      assert.isTrue(other.equals(readFileSync(`${app.home}/other`)))
      const { gid, mode, uid } = statSync(app.image)
      assert.deepStrictEqual([uid, gid, mode & 0o7777], [self.uid, self.gid, 0o750])
      assert.strictEqual(statSync(`${app.image}.3.layer`).mode & 0o7777, 0o640)
      const value = execFileSync("getfattr", ["--only-values", "-n", "user.origin", app.image], { encoding: "utf8" })
      assert.strictEqual(value, "here")
    }))

  scenario("rollback and squash refuse what they cannot do, and change nothing", images, () =>
    Effect.gen(function*() {
      const app = yield* place(self, { copy: true })
      yield* withLayers(app, [mark(1), mark(2)])
      // Nothing of ours changes a file in place here, so that it is the same file says enough.
      const refuses = Effect.fnUntraced(function*(words: ReadonlyArray<string>, text: RegExp) {
        const before = statSync(app.image)
        const { code, stderr } = yield* app.run(["fim-layer", ...words])
        assert.strictEqual(code, 125, words.join(" "))
        assert.match(stderr, text)
        const { ino, mtimeMs, size } = statSync(app.image)
        assert.deepStrictEqual([ino, mtimeMs, size], [before.ino, before.mtimeMs, before.size], words.join(" "))
        assert.deepStrictEqual(beside(app), [])
      })
      yield* refuses(
        ["rollback", "3"],
        /^E::Cannot take 3 of 3 layers out: the lowest one, which holds the system, stays\n/
      )
      yield* refuses(["squash", "4"], /^E::Cannot merge 4 layers: the image has 3\n/)
      // One byte of a section of the last layer, which its checksum tells.
      const bytes = readFileSync(app.image)
      bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1
      writeFileSync(app.image, bytes)
      yield* refuses(["squash"], /E::cannot open a layer: .*damaged/)
      writeFileSync(app.image, bytes.subarray(0, -1))
      yield* refuses(["rollback"], /E::Could not change the layers of '.*': its last layer is damaged/)
      writeFileSync(app.image, Buffer.concat([bytes, Buffer.from("something else behind it")]))
      yield* refuses(["rollback"], /what follows its last layer, at byte \d+, is none; cut it off there\n/)
      // A layer that is damaged can be taken out.
      writeFileSync(app.image, bytes)
      yield* succeeds(app, ["fim-layer", "rollback"])
      yield* succeeds(app, ["fim-layer", "squash"], { FIM_COMPRESSION_LEVEL: "1" })
      const single = yield* app.run(["fim-layer", "squash"])
      assert.match(single.stderr, /^E::there is nothing to merge in '.*': it has 1 layer\n/)
    }))

  scenario(
    "rollback and squash leave the image as it was when the disk is full",
    [...images, root],
    () =>
      Effect.gen(function*() {
        const app = yield* place(self, { copy: true })
        yield* withLayers(app, [mark(1), largeLayer(2 << 20)])
        const disk = yield* smallDisk(`${app.directory}/disk`, statSync(app.image).size + (8 << 20))
        const image = `${disk}/app`
        copyFileSync(app.image, image)
        const before = readFileSync(image)
        for (const words of [["rollback"], ["squash", "2"]]) {
          const options = { program: image, environment: { FIM_DIR_DATA: `${app.home}/data` } }
          const { code, stderr } = yield* app.run(["fim-layer", ...words], options)
          assert.strictEqual(code, 125)
          assert.match(stderr, /^E::Could not change the layers of '.*': No space left on device\n/)
          assert.isTrue(before.equals(readFileSync(image)))
          assert.deepStrictEqual(readdirSync(disk), ["app"])
        }
      })
  )

  scenario(
    "a start goes on with the image that took the place of its own meanwhile",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(self, { copy: true })
        yield* withLayers(app, [mark(1)])
        copyFileSync(app.image, `${app.directory}/new`)
        appendLayer(`${app.directory}/new`, makeMark(`${app.directory}/made/2`, 2))
        // The shell holds the file that was there first, and executes that.
        const script = "exec 9< \"$app\"; mv \"$new\" \"$app\"; exec /proc/self/fd/9 fim-exec cat /top"
        const outcome = yield* app.shell(script, { environment: { new: `${app.directory}/new` } })
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "2\n", ""])
        renameSync(app.image, `${app.directory}/moved`)
      })
  )

  scenario(
    "an ordinary user who does not own the image changes nothing",
    [...images, root],
    () =>
      Effect.gen(function*() {
        const [, user = self] = users
        const app = yield* place(user, { copy: true })
        yield* withLayers(app, [mark(1)])
        execFileSync("chown", ["0:0", app.image])
        const refused = yield* app.run(["fim-layer", "rollback"])
        assert.match(refused.stderr, /: it is read-only; make the file/)
        chmodSync(app.image, 0o777)
        const before = readFileSync(app.image)
        const other = yield* app.run(["fim-layer", "rollback"])
        assert.strictEqual(other.code, 125)
        assert.match(other.stderr, /: it belongs to user 0, and only that user or root can do this\n/)
        assert.isTrue(before.equals(readFileSync(app.image)))
        assert.deepStrictEqual(beside(app), [])
      })
  )
})
