/** Every example of the manual, run as it is shown: docs/user/README.md says how pages mark them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs"
import { isAsShown, outputsOf, parsePage, scriptOf } from "../support/Console.ts"
import { images, scenario } from "../support/Needs.ts"
import { debian, place } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { projectRoot } from "../support/Project.ts"
import { ordinary, self } from "../support/Users.ts"

const manual = `${projectRoot}/docs/user`

const pages = readdirSync(manual).filter((name) => name.endsWith(".md")).sort().map((name) => ({
  name,
  ...parsePage(readFileSync(`${manual}/${name}`, "utf8"))
}))

const patience = 60_000

describe("the manual", () => {
  it("has examples on most of its pages", () => {
    assert.deepStrictEqual(pages.flatMap(({ mistakes, name }) => mistakes.map((mistake) => `${name}: ${mistake}`)), [])
    assert.isAtLeast(pages.filter(({ examples }) => examples.length > 0).length, 20)
    assert.isAtLeast(pages.reduce((sum, { examples }) => sum + examples.length, 0), 120)
  })

  for (const { examples, image, name } of pages.filter(({ examples }) => examples.length > 0)) {
    // What builds images needs the checkout, which is not everyone's to read.
    const builds = examples.some(({ command }) => command.includes("bin/flatimage"))
    const user = builds ? self : ordinary
    scenario(
      `prints what ${name} shows`,
      image === "debian" ? [...images, debian] : images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user, { image, copy: true })
          mkdirSync(`${app.directory}/bin`)
          symlinkSync(`${projectRoot}/bin/flatimage`, `${app.directory}/bin/flatimage`)
          const { stdout } = yield* Process.run(app.command(["--norc", "-c", scriptOf(examples)], "/bin/bash"), {
            directory: app.directory,
            // A build finds its compiler where the caller has it.
            environment: builds ? { ...process.env, FIM_DIR_GLOBAL: app.global } : app.environment,
            patience
          })
          const outputs = outputsOf(stdout)
          for (const [index, { command, expected, line }] of examples.entries()) {
            const output = outputs[index] ?? "(it did not come to this command)"
            const isRight = isAsShown(expected, output)
            assert.strictEqual(isRight ? expected : output, expected, `docs/user/${name}, line ${line}: ${command}`)
          }
          yield* app.isClean
        }),
      patience
    )
  }
})
