/** Images of the definitions in docs/examples, built from Debian's packages and used as what they are. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cpSync } from "node:fs"
import { startDisplay } from "../support/Display.ts"
import { images, program, scenario } from "../support/Needs.ts"
import { debian, temporary } from "../support/Place.ts"
import { projectRoot } from "../support/Project.ts"
import { self } from "../support/Users.ts"
import { workshop } from "../support/Workshop.ts"

const needs = [...images, debian]

const limit = 240_000

/** Builds an example beside a copy of what it is made of. */
const example = Effect.fnUntraced(function*(name: string) {
  const place = yield* workshop
  cpSync(`${projectRoot}/docs/examples`, `${place.directory}/examples`, { recursive: true })
  const built = yield* place.build(`examples/${name}.flatimage.json`, "-o", `${name}.flatimage`)
  assert.strictEqual(built.code, 0, built.stderr)
  return place
})

describe("an example", () => {
  scenario("is an editor for the terminal", needs, () =>
    Effect.gen(function*() {
      const { clean, run } = yield* example("editor")
      assert.match((yield* run("editor.flatimage", "--version")).stdout, /GNU nano/)
      assert.match((yield* run("editor.flatimage", "fim-exec", "cat", "/etc/nanorc")).stdout, /set linenumbers/)
      assert.strictEqual((yield* run("editor.flatimage", "fim-exec", "ls", "/var/lib/apt/lists")).stdout, "")
      yield* clean
    }), limit)

  scenario("is a program in Python", needs, () =>
    Effect.gen(function*() {
      const { clean, run } = yield* example("python")
      const { code, stderr, stdout } = yield* run("python.flatimage", "Ada", "and", "Grace")
      assert.deepStrictEqual([code, stdout, stderr], [0, "hello Ada and Grace\n", ""])
      // A step has compiled it, with the Python that is inside.
      const ask = "import os, sys; print(sys.implementation.cache_tag in os.listdir('/usr/local/bin/__pycache__')[0])"
      assert.strictEqual((yield* run("python.flatimage", "fim-exec", "python3", "-c", ask)).stdout, "True\n")
      yield* clean
    }), limit)

  scenario("is a game with a window", [...needs, program("Xvfb"), program("xwininfo")], () =>
    Effect.gen(function*() {
      const { clean, run, start } = yield* example("sudoku")
      const screen = yield* startDisplay(yield* temporary(self), "480x505")
      const empty = yield* screen.picture(1)
      const game = yield* start("sudoku.flatimage", [], screen.environment)
      assert.match(yield* screen.window("Sudoku - Easy"), /Width: 480\n/)
      // Fields, frames and numbers with smooth edges.
      const drawn = yield* screen.picture(16)
      const changed = drawn.rgba.filter((byte, index) => byte !== empty.rgba[index]).length
      assert.isAbove(changed / drawn.rgba.length, 0.5)
      yield* game.signal("SIGTERM")
      assert.strictEqual((yield* game.outcome).code, 143)

      assert.strictEqual((yield* run("sudoku.flatimage", "fim-perms", "clear")).code, 0)
      const refused = yield* start("sudoku.flatimage", [], screen.environment)
      const { code, stderr } = yield* refused.outcome
      assert.strictEqual(code, 1)
      assert.match(stderr, /Can't open display/)
      yield* clean
    }), limit)
})
