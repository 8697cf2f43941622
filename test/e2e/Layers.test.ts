import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { appendLayer, makeLayer, makeMark } from "../support/Layers.ts"
import { images, isRoot, root, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import type { Options } from "../support/Process.ts"
import { users } from "../support/Users.ts"

/** Numbers from 1 to `count`, in the order of text, in which 10 comes before 2. */
const numbers = (count: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, index) => index + 1).sort((left, right) => (String(left) < String(right) ? -1 : 1))

/** What the guest sees of the marks: which layer is on top, and all of them in order. */
const marks = Effect.fnUntraced(function*(app: Place, environment: Readonly<Record<string, string>> = {}) {
  const outcome = yield* app.run(["fim-exec", "sh", "-c", "cat /top && ls /marks | sort -n | tr '\\n' ' '"], {
    environment
  })
  assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
  const [top = "", all = ""] = outcome.stdout.split("\n")
  return { top: Number(top), all: all.trimEnd().split(" ").map(Number) }
})

/** `work/start` of a data directory, as far as it is looked at here. */
interface LastStarts {
  readonly stack: string
  readonly layers: ReadonlyArray<{ readonly path: string }>
  readonly programs: ReadonlyArray<{ readonly name: string; readonly blocks: ReadonlyArray<ReadonlyArray<unknown>> }>
}

/** Whether a start finds its layers open, because they are those of the last one. */
const finds = Effect.fnUntraced(function*(app: Place, options: Options = {}) {
  const environment = { ...options.environment, FIM_DEBUG: "1" }
  const { code, stderr } = yield* app.run(["fim-exec", "true"], { ...options, environment })
  assert.strictEqual(code, 0)
  return /The layers are those of the last start and were open already/.test(stderr)
})

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

describe.each(users)("as $name", (user) => {
  for (const count of [1, 5, 40]) {
    scenario(
      `${count} layers in FIM_LAYERS lie on one another in the order of the list`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user)
          const files = upTo(count).map((number) => makeMark(`${app.directory}/l${number}`, number))
          assert.deepStrictEqual(yield* marks(app, { FIM_LAYERS: files.join(":") }), { top: count, all: upTo(count) })
          const reversed = { FIM_LAYERS: [...files].reverse().join(":") }
          assert.deepStrictEqual(yield* marks(app, reversed), { top: 1, all: upTo(count) })
          yield* app.isClean
        })
    )

    scenario(
      `${count} layers of a directory lie on one another in the order of numbers`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user)
          const directory = `${app.directory}/some layers`
          for (const number of numbers(count)) makeMark(`${directory}/layer-${number}.layer`, number)
          assert.deepStrictEqual(yield* marks(app, { FIM_LAYERS: directory }), { top: count, all: upTo(count) })
          yield* app.isClean
        })
    )

    scenario(
      `${count} layers appended to the image lie on one another in the order of the file`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user, { copy: true })
          const layer = `${app.directory}/layer`
          for (const number of upTo(count)) appendLayer(app.image, makeMark(layer, number))
          assert.deepStrictEqual(yield* marks(app), { top: count, all: upTo(count) })
          yield* app.isClean
        })
    )
  }

  scenario(
    "layers of the image lie below those of FIM_LAYERS, and these below those of the data directory",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const layer = `${app.directory}/listed`
        appendLayer(app.image, makeMark(layer, 5))
        makeMark(layer, 3)
        const data = `${app.home}/data`
        makeMark(`${data}/layers/layer-002.layer`, 1)
        makeMark(`${data}/layers/layer-010.layer`, 2)
        for (const directory of [data, `${data}/layers`]) {
          chmodSync(directory, 0o755)
          chownSync(directory, user.uid, user.gid)
        }
        const environment = { FIM_DIR_DATA: data }
        assert.deepStrictEqual(yield* marks(app, environment), { top: 2, all: [1, 2, 5] })
        const both = { ...environment, FIM_LAYERS: layer }
        assert.deepStrictEqual(yield* marks(app, both), { top: 2, all: [1, 2, 3, 5] })
        assert.deepStrictEqual(yield* marks(app, { FIM_LAYERS: layer }), { top: 3, all: [3, 5] })
      })
  )

  scenario(
    "what a start has read is kept for the next one, which any guess serves",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const kept = `${app.data}/work/start`
        const read = () => JSON.parse(readFileSync(kept, "utf8")) as LastStarts
        yield* marks(app, { FIM_LAYERS: makeMark(`${app.directory}/layer`, 1) })
        const first = read()
        assert.strictEqual(first.layers.length, 2)
        const [program, ...more] = first.programs
        assert.deepStrictEqual([program?.name, more], ["sh", []])
        assert.strictEqual(program?.blocks.length, 2)
        for (const blocks of program?.blocks ?? []) assert.isNotEmpty(blocks)
        const [lowest, ...others] = first.layers
        const guesses = [
          "",
          "{",
          JSON.stringify({ ...first, programs: [{ ...program, blocks: [[[4294967295, 4294967295]]] }] }),
          JSON.stringify({ ...first, programs: [] }),
          JSON.stringify({ ...first, layers: [{ ...lowest, path: "/dev/null" }, ...others] }),
          JSON.stringify({ ...first, layers: [{ ...lowest, offset: 0 }, ...others] }),
          JSON.stringify({ ...first, layers: others }),
          JSON.stringify({ ...first, cache_bytes: 1 })
        ]
        for (const guess of guesses) {
          writeFileSync(kept, guess)
          yield* marks(app, { FIM_LAYERS: `${app.directory}/layer` })
          assert.deepStrictEqual(read(), first)
        }
        yield* marks(app, { FIM_LAYERS: makeMark(`${app.directory}/other`, 1) })
        assert.notStrictEqual(read().stack, first.stack)
        yield* app.isClean
      })
  )

  scenario(
    "layers of the last start are opened before they are asked for, and no others",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const both = { environment: { FIM_LAYERS: makeMark(`${app.directory}/layer`, 1) } }
        const chosen = { environment: { FIM_DIR_DATA: `${app.home}/data` } }
        const relative = { environment: { FIM_DIR_DATA: "data" }, directory: app.home }
        for (const options of [{}, both, chosen]) {
          assert.isFalse(yield* finds(app, options))
          assert.isTrue(yield* finds(app, options))
        }
        assert.isTrue(yield* finds(app, relative))
        // Whoever joins a running instance needs none.
        const running = yield* app.start(["fim-exec", "sh", "-c", "echo up; sleep 60"], chosen)
        yield* running.says(/up/)
        assert.isFalse(yield* finds(app, chosen))
        yield* running.signal("SIGTERM")
        yield* running.exited
        if (isRoot) {
          chownSync(`${app.home}/data/work/start`, 61235, 61235)
          assert.isFalse(yield* finds(app, chosen))
        }
        yield* app.isClean
      })
  )

  scenario(
    "that is so too where the image is in a directory of others",
    [...images, root],
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const program = `${app.directory}/others/app`
        mkdirSync(`${app.directory}/others`)
        copyFileSync(app.image, program)
        chmodSync(program, 0o755)
        assert.isFalse(yield* finds(app, { program }))
        assert.isTrue(yield* finds(app, { program }))
        assert.strictEqual(existsSync(`${app.directory}/others/.app.data`), user.uid === 0)
        yield* app.isClean
      })
  )

  scenario("what is no layer is passed over", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const directory = `${app.directory}/layers`
      makeMark(`${directory}/1`, 1)
      writeFileSync(`${directory}/2`, "no layer")
      writeFileSync(`${directory}/3`, "")
      mkdirSync(`${directory}/4`)
      const FIM_LAYERS = `/no/such/file::${directory}:${app.image}:`
      assert.deepStrictEqual(yield* marks(app, { FIM_LAYERS }), { top: 1, all: [1] })
      yield* app.isClean
    }))

  scenario("an upper layer may turn a directory into a file and back", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const first = makeLayer(`${app.directory}/1`, { "x/a": "first\n", y: "first\n" })
      const second = makeLayer(`${app.directory}/2`, { x: "second\n", "y/b": "second\n" })
      const environment = { FIM_LAYERS: `${first}:${second}` }
      const over = yield* app.run(["fim-exec", "cat", "/x", "/y/b"], { environment })
      assert.deepStrictEqual([over.code, over.stdout, over.stderr], [0, "second\nsecond\n", ""])
    }))

  scenario("a layer with a damaged end gives a clear failure", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const layer = makeMark(`${app.directory}/1`, 1)
      const damaged = `${app.directory}/2`
      copyFileSync(layer, damaged)
      writeFileSync(damaged, "DWARFS and nothing behind it")
      const outcome = yield* app.run(["fim-exec", "true"], { environment: { FIM_LAYERS: `${layer}:${damaged}` } })
      assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
      assert.match(outcome.stderr, /^E::.*\/2/)
      yield* app.isClean
    }))
})
