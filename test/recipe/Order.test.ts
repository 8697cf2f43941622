import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { inOrder, maxRecipes } from "../../src/recipe/Order.ts"
import { RecipeError } from "../../src/recipe/RecipeError.ts"

type Graph = Readonly<Record<string, ReadonlyArray<string>>>

/** What comes out, and what was asked for. */
const order = Effect.fnUntraced(function*(graph: Graph, names: ReadonlyArray<string>) {
  const asked: Array<string> = []
  const result = yield* Effect.result(inOrder(names, (name) => {
    asked.push(name)
    const dependencies = graph[name]
    return dependencies === undefined
      ? new RecipeError({ reason: "Missing", detail: `no '${name}'` })
      : Effect.succeed({ dependencies })
  }))
  return { asked, result: Result.map(result, (recipes) => recipes.map(({ name }) => name)) }
})

/** Everything that can be reached from a name, itself only if it is on a cycle. */
const reachable = (graph: Graph, from: string): ReadonlySet<string> => {
  const found = new Set<string>()
  const open = [...graph[from] ?? []]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name)) continue
    found.add(name)
    open.push(...graph[name] ?? [])
  }
  return found
}

describe("recipes that depend on each other", () => {
  it.effect("come once where several need one", () =>
    Effect.gen(function*() {
      const diamond = { a: ["b", "c"], b: ["d"], c: ["d", "b"], d: [] }
      assert.deepStrictEqual(yield* order(diamond, ["a"]), {
        asked: ["a", "b", "d", "c"],
        result: Result.succeed(["d", "b", "c", "a"])
      })
      const several = yield* order(diamond, ["d", "a", "d", "b"])
      assert.deepStrictEqual(several, { asked: ["d", "a", "b", "c"], result: Result.succeed(["d", "b", "c", "a"]) })
    }))

  it.effect.each(
    [
      [{ a: ["a"] }, "a", "a -> a"],
      [{ a: ["b"], b: ["a"] }, "a", "a -> b -> a"],
      [{ a: ["b", "c"], b: [], c: ["d"], d: ["e"], e: ["c"] }, "c", "c -> d -> e -> c"]
    ] as ReadonlyArray<readonly [Graph, string, string]>
  )("are refused where one needs itself: %j", ([graph, name, path]) =>
    Effect.gen(function*() {
      const { result } = yield* order(graph, ["a"])
      const error = Result.getOrThrow(Result.flip(result))
      assert.deepStrictEqual(
        [error.reason, error.detail, error.hint],
        ["Cycle", `Cyclic dependency for recipe '${name}'`, `They depend on each other: ${path}`]
      )
    }))

  it.effect("are not followed without end", () =>
    Effect.gen(function*() {
      const endless = new Proxy<Graph>({}, { get: (_, name) => [`${String(name)}1`] })
      const { asked, result } = yield* order(endless, ["a"])
      assert.lengthOf(asked, maxRecipes)
      assert.strictEqual(Result.getOrThrow(Result.flip(result)).reason, "Limit")
      const chain = Object.fromEntries(
        Array.from({ length: maxRecipes }, (_, index) => [`r${index}`, index === 0 ? [] : [`r${index - 1}`]])
      )
      const { result: long } = yield* order(chain, [`r${maxRecipes - 1}`])
      assert.lengthOf(Result.getOrThrow(long), maxRecipes)
    }))

  const letters = ["a", "b", "c", "d", "e", "f"] as const
  const letter = Arbitrary.schema(Schema.Literals(letters))
  const needs = Arbitrary.array(letter, { maxLength: 3 })
  it.effect.prop(
    "come behind what they need, each once, or a cycle is named that there is",
    {
      lists: Arbitrary.all([needs, needs, needs, needs, needs, needs]),
      names: Arbitrary.array(letter, { maxLength: 4 }),
      forward: Arbitrary.schema(Schema.Boolean)
    },
    ({ forward, lists, names }) =>
      Effect.gen(function*() {
        // Half of them have no cycle, by having no way back.
        const graph: Graph = Object.fromEntries(
          letters.map((name, index) => [name, lists[index]!.filter((other) => !forward || other > name)])
        )
        const wanted = new Set([...names, ...names.flatMap((name) => [...reachable(graph, name)])])
        const isCyclic = [...wanted].some((name) => reachable(graph, name).has(name))
        const { asked, result } = yield* order(graph, names)
        assert.lengthOf(new Set(asked), asked.length)
        if (Result.isFailure(result)) {
          assert.isTrue(isCyclic)
          const path = result.failure.hint!.replace("They depend on each other: ", "").split(" -> ")
          assert.strictEqual(path.at(-1), path[0])
          for (const [index, name] of path.slice(1).entries()) assert.include(graph[path[index]!]!, name)
          return
        }
        assert.isFalse(isCyclic)
        assert.deepStrictEqual([...result.success].sort(), [...wanted].sort())
        for (const [index, name] of result.success.entries()) {
          for (const other of graph[name]!) assert.isBelow(result.success.indexOf(other), index)
        }
      }),
    { arbitrary: { runs: 1000 }, timeout: 60_000 }
  )
})
