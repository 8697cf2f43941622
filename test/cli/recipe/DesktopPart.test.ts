import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { svg } from "../../support/Pictures.ts"
import { temporary } from "../../support/Place.ts"
import { recipeServer } from "../../support/RecipeServer.ts"
import { self } from "../../support/Users.ts"
import { newDebian, recipePlace } from "./RecipePlace.ts"

const desktop = (icon: string, name = "App") => ({ name, icon, categories: ["Utility"], integrations: ["ENTRY"] })
const recipe = (icon: string, more: object = {}) => ({
  description: "x",
  packages: [],
  desktop: desktop(icon),
  ...more
})
const found = (name: string) => [
  `I::Found desktop integration in recipe '${name}'`,
  "I::The recipes name no packages",
  "I::Setting up desktop integration from recipe"
]
const linesBehind = (text: string, start: string) => text.slice(text.indexOf(start)).split("\n")

describe("the desktop part of a recipe", () => {
  it.live("is set up as by fim-desktop, with an icon from a server; the last one counts", () =>
    Effect.gen(function*() {
      const app = yield* recipePlace
      const server = yield* recipeServer({ "/app.svg": svg() })
      app.write("first", recipe(`${server.url}/app.svg`, { desktop: desktop(`${server.url}/app.svg`, "First") }))
      app.write("last", recipe(`${server.url}/app.svg`, { dependencies: ["first"] }))
      const image = newDebian(server.url)
      const { code, stderr, stdout } = yield* app.run(image, "install", "last")
      assert.deepStrictEqual([code, stderr], [0, []])
      const lines = linesBehind(stdout, "I::Found")
      assert.deepStrictEqual(lines.slice(0, 4), ["I::Found desktop integration in recipe 'first'", ...found("last")])
      assert.strictEqual(lines.at(-1), "I::Desktop integration setup successful")
      assert.deepStrictEqual(image.settings.desktop, {
        name: "App",
        categories: ["Utility"],
        integrations: ["ENTRY"]
      })
      assert.strictEqual(Buffer.from(image.settings.icon!.data).toString(), svg())
    }))

  it.live("may name a file where the recipe is from one, and nowhere else", () =>
    Effect.gen(function*() {
      const app = yield* recipePlace
      const remote = yield* temporary(self)
      mkdirSync(`${remote}/debian/latest/icons`, { recursive: true })
      writeFileSync(`${remote}/debian/latest/icons/app.svg`, svg())
      const server = yield* recipeServer()
      for (const icon of ["icons/app.svg", `${remote}/debian/latest/icons/app.svg`]) {
        app.write("a", recipe(icon))
        const image = newDebian(`file://${remote}`)
        const { code, stderr, stdout } = yield* app.run(image, "install", "a")
        assert.deepStrictEqual([code, stderr, stdout.split("\n").at(-1)], [
          0,
          [],
          "I::Desktop integration setup successful"
        ])
        assert.strictEqual(Buffer.from(image.settings.icon!.data).toString(), svg())
        for (const other of [server.url, undefined]) {
          const image = newDebian(other)
          const refused = yield* app.run(image, "install", "a")
          assert.strictEqual(refused.code, 0)
          assert.match(
            refused.stderr.join("\n"),
            /^W::Failed to setup desktop integration: (the icon '.*' is not an HTTP URL|No remote URL)/
          )
          assert.deepStrictEqual([image.writes, image.settings.icon], [0, undefined])
        }
      }
    }))

  const wrong: ReadonlyArray<readonly [Partial<ReturnType<typeof desktop>>, string]> = [
    [{ name: "a/b" }, "Application name cannot contain the '/' character"],
    [{ categories: ["Nope"] }, "'Nope' is not a registered category; your own categories begin with 'X-'"],
    [{ icon: "SERVER/none.svg" }, "Could not download"],
    [{ icon: "SERVER/page.svg" }, "the icon is no SVG"],
    [{ icon: "SERVER/app.gif" }, "Icon extension '.gif' is not supported"]
  ]
  it.live.each([...wrong])(
    "is passed over with a warning where it cannot be: %j",
    ([part, words]) =>
      Effect.gen(function*() {
        const app = yield* recipePlace
        const server = yield* recipeServer({ "/app.svg": svg(), "/page.svg": "<html/>" })
        const document = { ...desktop("SERVER/app.svg"), ...part }
        app.write("a", {
          description: "x",
          packages: [],
          desktop: { ...document, icon: document.icon.replace("SERVER", server.url) }
        })
        const image = newDebian(server.url)
        const { code, stderr } = yield* app.run(image, "install", "a")
        assert.deepStrictEqual([code, stderr.length, image.writes], [0, 1, 0])
        assert.isTrue(stderr[0]!.startsWith(`W::Failed to setup desktop integration: ${words}`), stderr[0])
      })
  )
})
