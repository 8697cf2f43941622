import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { smallImage } from "../image/SmallImage.ts"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { projectRoot } from "../support/Project.ts"
import { self } from "../support/Users.ts"

const node = { program: `${projectRoot}/node_modules/.bin/node` }

const program = (name: string, words: ReadonlyArray<string>): ReadonlyArray<string> => [
  "--conditions=source",
  `${projectRoot}/test/embedding/${name}.ts`,
  ...words
]

describe("a program that embeds the services", () => {
  scenario("changes the settings of ten images at once", [], () =>
    Effect.gen(function*() {
      const app = yield* place(self)
      const paths = Array.from({ length: 10 }, (_, index) => `${app.directory}/${index}.flatimage`)
      for (const path of paths) writeFileSync(path, smallImage().bytes)
      const words = program("settings", [`${projectRoot}/build/native/fim`, ...paths])
      const { code, stderr, stdout } = yield* app.run(words, node)
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(stdout.trim().split("\n").sort(), paths.map((path) => `${path}: network bash`))
    }))

  scenario("runs a command in an image and passes on its output as it comes", images, () =>
    Effect.gen(function*() {
      const app = yield* place(self)
      const words = program("run", [app.image, "sh", "-c", "echo first; sleep 1; echo second; exit 3"])
      const running = yield* app.start(words, node)
      yield* running.says(/^first\n/)
      assert.notMatch(running.stdout(), /second/)
      const { code, stderr, stdout } = yield* running.outcome
      assert.deepStrictEqual([code, stdout, stderr], [0, "first\nsecond\nexit code 3\n", ""])
      yield* app.isClean
    }))
})
