import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { recipeServer } from "../../support/RecipeServer.ts"
import { newDebian, recipePlace } from "./RecipePlace.ts"

const good = { description: "a good one", packages: ["bash", "dash"], dependencies: ["b"] }

describe("fim-recipe", () => {
  const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, string, string, string?]> = [
    [[], "Missing op for 'fim-recipe' (<fetch|info|install>)", "Could not parse arguments"],
    [["get"], "Invalid recipe operation", "Could not parse arguments"],
    [["--json"], "Invalid recipe operation", "Could not parse arguments"],
    [["fetch"], "Missing recipe for operation", "Could not parse arguments"],
    [["Info", "--json"], "Missing recipe for operation", "Could not parse arguments"],
    [["install"], "Missing recipe for operation", "Could not parse arguments"],
    [["fetch", ""], "Recipe argument is empty", "Could not parse arguments"],
    [["info", "a,,b"], "Recipe argument is empty", "Could not parse arguments"],
    [["install", ","], "Recipe argument is empty", "Could not parse arguments"],
    [["fetch", "../a"], "Invalid recipe name '../a'", "Could not parse arguments"],
    [["install", "a,-y"], "Invalid recipe name '-y'", "Could not parse arguments"],
    [["install", "--", "-y"], "Invalid recipe name '-y'", "Could not parse arguments"],
    [["info", " b,a"], "Invalid recipe name ' b'", "Could not parse arguments"],
    [["fetch", "a", "b"], "Trailing arguments for fim-recipe: ['b',]", "Could not parse arguments"],
    [["info", "a", "b", "c"], "Trailing arguments for fim-recipe: ['b','c',]", "Could not parse arguments"],
    [["install", "a", "-y"], "Trailing arguments for fim-recipe: ['-y',]", "Could not parse arguments"],
    [["list", "a"], "Trailing arguments for fim-recipe: ['a',]", "Could not parse arguments"],
    [["fetch", "a"], "No remote URL configured", "Failed to fetch recipe"],
    [["install", "a"], "No remote URL configured", "Failed to fetch recipe"],
    [["info", "a"], "Recipe 'a' not found locally. Use 'fim-recipe fetch a' first.", "Failed to get recipe info"],
    [["fetch"], "Missing recipe for operation", "Could not parse arguments", "BLUEPRINT"],
    [
      ["info", "a"],
      "Recipe 'a' not found locally. Use 'fim-recipe fetch a' first.",
      "Failed to get recipe info",
      "BLUEPRINT"
    ],
    [["install", "a"], "Blueprint does not support recipes", "Failed to install recipe", "BLUEPRINT"],
    [["fetch", "a"], "Custom does not support recipes", "Failed to fetch recipe", "CUSTOM"]
  ]
  it.live.each([...wrong])(
    "says what is wrong: %j",
    ([words, text, context, distribution = "DEBIAN"]) =>
      Effect.gen(function*() {
        const app = yield* recipePlace
        const image = newDebian(undefined, distribution)
        const { code, stderr, stdout } = yield* app.run(image, ...words)
        assert.deepStrictEqual([code, stdout, stderr[0], stderr.at(-1)], [125, "", text, context])
        assert.isFalse(existsSync(`${app.data}/recipes`))
        assert.strictEqual(image.writes, 0)
      })
  )

  it.live.each(
    [
      ["", "Empty json file"],
      ["{", "Could not parse json file"],
      ["{}", "Missing 'description' field"],
      ["{\"description\":\"x\"}", "Missing 'packages' field"],
      ["{\"description\":\"x\",\"packages\":[\"--purge\"]}", "Could not parse json file"],
      ["{\"description\":\"x\",\"packages\":[],\"dependencies\":[\"a\"]}", "Cyclic dependency for recipe 'a'"]
    ] as const
  )("starts nothing for a cached recipe that is wrong: %s", ([content, text]) =>
    Effect.gen(function*() {
      const app = yield* recipePlace
      app.write("a", content)
      const outcome = yield* app.run(newDebian(), "install", "a")
      assert.deepStrictEqual([outcome.code, outcome.stderr[0], outcome.stderr.at(-1)], [
        125,
        text,
        "Failed to install recipe"
      ])
      if (text.startsWith("Cyclic")) return
      const told = yield* app.run(newDebian(), "info", "a")
      assert.deepStrictEqual([told.code, told.stderr[0], told.stderr.at(-1)], [125, text, "Failed to get recipe info"])
    }))

  it.live("tells what recipes hold, those before a missing one too", () =>
    Effect.gen(function*() {
      const app = yield* recipePlace
      app.write("a", good)
      app.write("b", { description: "", packages: [] })
      const text = (name: string, description: string, packages: string, dependencies: string) =>
        `Recipe: ${name}\nLocation: ${app.cache}/${name}.json\nDescription: ${description}\nPackage count: ${packages}\n` +
        `Dependencies: ${dependencies}`
      const a = text("a", "a good one", "2\nPackages:\n  - bash\n  - dash", "1\n  - b")
      const b = text("b", "", "0\nPackages:", "0")
      assert.deepStrictEqual(yield* app.run(newDebian(), "info", "a,b"), { code: 0, stdout: `${a}\n${b}`, stderr: [] })
      const { code, stderr, stdout } = yield* app.run(newDebian(), "INFO", "b,none,a")
      assert.deepStrictEqual([code, stdout, stderr[0]], [
        125,
        b,
        "Recipe 'none' not found locally. Use 'fim-recipe fetch none' first."
      ])
      const json = yield* app.run(newDebian(), "info", "--json", "b,a")
      assert.deepStrictEqual(JSON.parse(json.stdout), [
        { name: "b", description: "", packages: [], dependencies: [], location: `${app.cache}/b.json` },
        { name: "a", ...good, location: `${app.cache}/a.json` }
      ])
      assert.strictEqual((yield* app.run(newDebian(), "info", "a,none", "--json")).stdout, "")
      assert.strictEqual((yield* app.run(newDebian(), "list")).stdout, "a\nb")
      assert.strictEqual((yield* app.run(newDebian(), "list", "--json")).stdout, "[\n  \"a\",\n  \"b\"\n]")
      // They are those of this distribution alone.
      assert.strictEqual((yield* app.run(newDebian(undefined, "ALPINE"), "list")).stdout, "")
    }))

  it.live("looks without making a data directory", () =>
    Effect.gen(function*() {
      const app = yield* recipePlace
      assert.deepStrictEqual(yield* app.run(newDebian(), "list"), { code: 0, stdout: "", stderr: [] })
      assert.strictEqual((yield* app.run(newDebian(), "list", "--json")).stdout, "[]")
      yield* app.run(newDebian(), "info", "a")
      assert.isFalse(existsSync(app.data))
    }))

  it.live("fetches, and says from where to where", () =>
    Effect.gen(function*() {
      const app = yield* recipePlace
      const server = yield* recipeServer()
      const outcome = yield* app.run(newDebian(server.url), "fetch", "good")
      assert.deepStrictEqual(outcome, {
        code: 0,
        stderr: [],
        stdout: [
          `I::Downloading recipe from '${server.url}/debian/latest/good.json'`,
          `I::Saving to '${app.cache}/good.json'`,
          `I::Successfully downloaded recipe 'good' to '${app.cache}/good.json'`
        ].join("\n")
      })
      const failed = yield* app.run(newDebian(server.url), "fetch", "none")
      assert.deepStrictEqual([failed.code, failed.stderr.at(-1)], [125, "Failed to fetch recipe"])
      assert.match(failed.stderr[0]!, /^Could not download 'http.*none\.json': the server answered with 404$/)
    }))
})
