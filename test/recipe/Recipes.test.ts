import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { temporary } from "../support/Place.ts"
import { recipeServer } from "../support/RecipeServer.ts"
import { self } from "../support/Users.ts"
import { setting } from "./Setting.ts"

const good = { description: "a good one", packages: ["bash"] }

const namesOf = (recipes: ReadonlyArray<{ readonly name: string }>) => recipes.map(({ name }) => name)

describe("recipes", () => {
  it.live("are fetched with what they depend on, each once, and kept as they came", () =>
    Effect.gen(function*() {
      const server = yield* recipeServer({
        a: { ...good, dependencies: ["b", "c"] },
        b: { ...good, dependencies: ["d"] },
        c: { ...good, dependencies: ["d"] },
        d: " {\"description\": \"d\", \"packages\": [] } "
      })
      const app = yield* setting(`${server.url}///`)
      assert.deepStrictEqual(namesOf(yield* app.fetch("a")), ["d", "b", "c", "a"])
      assert.deepStrictEqual(server.asked(), ["a", "b", "d", "c"])
      assert.deepStrictEqual(Object.keys(app.cache()), ["a.json", "b.json", "c.json", "d.json"])
      assert.strictEqual(app.cache()["d.json"], " {\"description\": \"d\", \"packages\": [] } ")
      const lines = (name: string) => [
        `Downloading recipe from '${server.url}/debian/latest/${name}.json'`,
        `Saving to '${app.directory}/${name}.json'`
      ]
      const done = (name: string) => `Successfully downloaded recipe '${name}' to '${app.directory}/${name}.json'`
      assert.deepStrictEqual(app.said, [..."abdc"].flatMap(lines).concat([..."abdc"].map(done)))
      assert.isNotEmpty(app.reported)
      assert.deepStrictEqual(yield* app.recipes.names, ["a", "b", "c", "d"])

      // What is there is used, what is not is fetched, and `fetch` takes nothing from the cache.
      rmSync(`${app.directory}/d.json`)
      app.said.length = 0
      assert.deepStrictEqual(namesOf(yield* app.provide("a")), ["d", "b", "c", "a"])
      assert.deepStrictEqual(server.asked().slice(4), ["d"])
      assert.strictEqual(app.said[0], `Using existing recipe from '${app.directory}/a.json'`)
      yield* app.fetch("d", "d")
      assert.deepStrictEqual(server.asked().slice(5), ["d"])
    }))

  it.live.each(
    [
      ["cut", "Fetch", /Could not download 'http.*cut\.json'/],
      ["cut-in-pieces", "Fetch", /Could not download/],
      ["huge", "Fetch", /more than 262144 bytes/],
      ["endless", "Fetch", /more than 262144 bytes/],
      ["loop", "Fetch", /more than 5 times/],
      ["secret", "Fetch", /Could not download/],
      ["broken", "Fetch", /answered with 500/],
      ["missing", "Fetch", /answered with 404/],
      ["empty", "Fetch", /ended after 0 bytes/],
      ["page", "Content", /Could not parse json file/],
      ["bytes", "Content", /Could not parse json file/],
      ["deep", "Content", /Could not parse json file/],
      ["inside", "Content", /Could not parse json file/],
      ["option", "Content", /Could not parse json file/],
      ["outside", "Content", /Could not parse json file/]
    ] as const
  )("leave the cache as it was when one is %s", ([name, reason, words]) =>
    Effect.gen(function*() {
      const server = yield* recipeServer({ top: { ...good, dependencies: ["good", name] } })
      const app = yield* setting(server.url)
      mkdirSync(app.directory, { recursive: true })
      for (const kept of ["good", name]) writeFileSync(`${app.directory}/${kept}.json`, "{\"was\":\"here\"}")
      const before = app.cache()
      for (const asked of [[name], ["good", "top"]]) {
        const error = yield* Effect.flip(app.fetch(...asked))
        assert.strictEqual(error.reason, reason)
        assert.match(error.detail, words)
        if (reason === "Content") {
          assert.include(error.hint ?? "", name === "bytes" ? "UTF-8" : `Recipe '${name}' for debian`)
        }
        assert.deepStrictEqual(app.cache(), before)
      }
      assert.isFalse(app.said.some((line) => line.startsWith("Successfully")))
      assert.deepStrictEqual(readdirSync(app.data), ["recipes"])
    }))

  it.live("follow where a server leads, and are refused where they lead to themselves", () =>
    Effect.gen(function*() {
      const server = yield* recipeServer({ a: { ...good, dependencies: ["b"] }, b: { ...good, dependencies: ["a"] } })
      const app = yield* setting(server.url)
      yield* app.fetch("moved")
      assert.deepStrictEqual(JSON.parse(app.cache()["moved.json"]!), good)
      const error = yield* Effect.flip(app.fetch("a"))
      assert.deepStrictEqual([error.detail, error.hint], [
        "Cyclic dependency for recipe 'a'",
        "They depend on each other: a -> b -> a"
      ])
      assert.deepStrictEqual(Object.keys(app.cache()), ["moved.json"])
    }))

  it.effect.each(["slow", "silent"])("are not waited for without end: %s", (name) =>
    Effect.gen(function*() {
      const server = yield* recipeServer()
      const app = yield* setting(server.url)
      const fetching = yield* Effect.forkChild(app.fetch(name))
      yield* TestClock.withLive(Effect.gen(function*() {
        while (server.asked().length === 0) yield* Effect.sleep(5)
      }))
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(fetching.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      const error = yield* Effect.flip(Fiber.join(fetching))
      assert.match(error.detail, /it took too long/)
      assert.deepStrictEqual(app.cache(), {})
    }))

  it.live("leave nothing half when they are interrupted, or were killed before", () =>
    Effect.gen(function*() {
      const server = yield* recipeServer({ top: { ...good, dependencies: ["good", "silent"] } })
      const app = yield* setting(server.url)
      const fetching = yield* Effect.forkChild(app.fetch("top"))
      while (!server.asked().includes("silent")) yield* Effect.sleep(5)
      yield* Fiber.interrupt(fetching)
      assert.deepStrictEqual(app.cache(), {})
      mkdirSync(app.directory, { recursive: true })
      const now = Date.now() / 1000
      for (const [pid, age] of [[1, 3600], [2, 5]] as const) {
        writeFileSync(`${app.directory}/.good.${pid}.part`, "{")
        utimesSync(`${app.directory}/.good.${pid}.part`, now - age, now - age)
      }
      yield* app.fetch("good")
      assert.deepStrictEqual(Object.keys(app.cache()), [".good.2.part", "good.json"])
      assert.deepStrictEqual(yield* app.recipes.names, ["good"])
    }))

  it.live("leave nothing half where they cannot be stored", () =>
    Effect.gen(function*() {
      const server = yield* recipeServer({ top: { ...good, dependencies: ["good"] } })
      const app = yield* setting(server.url)
      // A directory is in the way of the second file that gets its name.
      mkdirSync(`${app.directory}/good.json/x`, { recursive: true })
      const error = yield* Effect.flip(app.fetch("top"))
      assert.strictEqual(error.reason, "Files")
      assert.deepStrictEqual(readdirSync(app.directory).filter((name) => name.startsWith(".")), [])
    }))

  it.live("come from a directory of this machine", () =>
    Effect.gen(function*() {
      const remote = `${yield* temporary(self)}/re mote`
      const directory = `${remote}/debian/latest`
      mkdirSync(directory, { recursive: true })
      writeFileSync(`${directory}/a.json`, JSON.stringify({ ...good, dependencies: ["b"] }))
      writeFileSync(`${directory}/b.json`, JSON.stringify(good))
      writeFileSync(`${directory}/empty.json`, "")
      writeFileSync(`${directory}/large.json`, " ".repeat(262_145))
      mkdirSync(`${directory}/directory.json`)
      execFileSync("mkfifo", [`${directory}/fifo.json`])
      const app = yield* setting(`file://${remote.replace(" ", "%20")}`)
      assert.deepStrictEqual(namesOf(yield* app.fetch("a")), ["b", "a"])
      for (
        const [name, words] of [
          ["none", /^Could not read 'file:.*none\.json'/],
          ["empty", /^Empty json file$/],
          ["large", /has more than 262144 bytes$/],
          ["directory", /is not a file$/],
          ["fifo", /is not a file$/]
        ] as const
      ) {
        assert.match((yield* Effect.flip(app.fetch(name))).detail, words)
      }
      assert.deepStrictEqual(Object.keys(app.cache()), ["a.json", "b.json"])
      const elsewhere = yield* setting("file://elsewhere/remote")
      assert.match((yield* Effect.flip(elsewhere.fetch("a"))).detail, /names no file of this machine/)
    }))

  it.live.each([
    [undefined, "No remote URL configured"],
    ["", "Invalid remote URL ''"],
    ["ftp://127.0.0.1/x", "Invalid remote URL 'ftp://127.0.0.1/x'"],
    ["/recipes", "Invalid remote URL '/recipes'"],
    ["http://", "Invalid remote URL 'http://'"]
  ])("need a place to come from: %s", ([remote, text]) =>
    Effect.gen(function*() {
      const app = yield* setting(remote)
      const error = yield* Effect.flip(app.fetch("a"))
      assert.deepStrictEqual([error.reason, error.detail], ["Remote", text])
      mkdirSync(app.directory, { recursive: true })
      writeFileSync(`${app.directory}/a.json`, JSON.stringify(good))
      // What is there needs none.
      assert.deepStrictEqual(namesOf(yield* app.provide("a")), ["a"])
    }))

  it.live("that the cache has are told, and those it has not", () =>
    Effect.gen(function*() {
      const app = yield* setting(undefined)
      assert.deepStrictEqual(yield* app.recipes.names, [])
      const missing = yield* Effect.flip(app.recipes.cached("a"))
      assert.strictEqual(missing.detail, "Recipe 'a' not found locally. Use 'fim-recipe fetch a' first.")
      mkdirSync(app.directory, { recursive: true })
      for (const name of ["b", "a", ".c", "..", "d..e"]) {
        writeFileSync(`${app.directory}/${name}.json`, JSON.stringify(good))
      }
      writeFileSync(`${app.directory}/notes.txt`, "")
      assert.deepStrictEqual(yield* app.recipes.names, ["a", "b"])
      assert.deepStrictEqual(yield* app.recipes.cached("a"), {
        ...good,
        dependencies: [],
        location: `${app.directory}/a.json`
      })
      writeFileSync(`${app.directory}/a.json`, "")
      assert.strictEqual((yield* Effect.flip(app.recipes.cached("a"))).detail, "Empty json file")
    }))
})
