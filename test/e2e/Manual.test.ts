/** Every example of the manual and of the pages on the file and on a start, run as it is shown: docs/user/README.md says how pages mark them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs"
import { isAsShown, outputsOf, pageOfPicture, parsePage, scriptOf } from "../support/Console.ts"
import { images, scenario } from "../support/Needs.ts"
import { debian, type Place, place } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { projectRoot } from "../support/Project.ts"
import { ordinary, self } from "../support/Users.ts"

const docs = `${projectRoot}/docs`

const user = readdirSync(`${docs}/user`).filter((name) => name.endsWith(".md")).sort()

const pages = [...user.map((name) => `user/${name}`), "boot.md", "format.md", "first-minute.svg"].map((name) => {
  const text = readFileSync(`${docs}/${name}`, "utf8")
  return { name, page: parsePage(name.endsWith(".svg") ? pageOfPicture(text) : text) }
})

/** A build finds its compiler where the caller has it. */
const environmentOf = (app: Place, builds: boolean) =>
  builds ? Object.assign({}, process.env, { FIM_DIR_GLOBAL: app.global, FIM_HOT: "0" }) : app.environment

describe("the manual", () => {
  it("has examples on most of its pages", () => {
    assert.deepStrictEqual(pages.flatMap(({ name, page }) => page.mistakes.map((mistake) => `${name}: ${mistake}`)), [])
    assert.isAtLeast(pages.filter(({ page }) => page.examples.length > 0).length, 22)
    assert.isAtLeast(pages.reduce((sum, { page }) => sum + page.examples.length, 0), 220)
  })

  for (const { name, page: { examples, image } } of pages) {
    if (examples.length === 0) continue
    // What builds images needs the checkout, which is not everyone's to read.
    const builds = examples.some(({ command }) => command.includes("bin/flatimage"))
    const caller = builds ? self : ordinary
    const patience = builds ? 180_000 : 60_000
    scenario(
      `prints what ${name} shows`,
      image === "debian" ? [...images, debian] : images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(caller, { image, copy: true })
          mkdirSync(`${app.directory}/bin`)
          symlinkSync(`${projectRoot}/bin/flatimage`, `${app.directory}/bin/flatimage`)
          const { stdout } = yield* Process.run(app.command(["--norc", "-c", scriptOf(examples)], "/bin/bash"), {
            directory: app.directory,
            environment: environmentOf(app, builds),
            patience
          })
          const outputs = outputsOf(stdout)
          for (const [index, { command, expected, line }] of examples.entries()) {
            const output = outputs[index] ?? "(it did not come to this command)"
            const isRight = isAsShown(expected, output)
            assert.strictEqual(isRight ? expected : output, expected, `docs/${name}, line ${line}: ${command}`)
          }
          yield* app.isClean
        }),
      patience
    )
  }
})
