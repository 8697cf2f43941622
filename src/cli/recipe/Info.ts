/** `fim-recipe info`: what recipes of the cache say. */
import * as Effect from "effect/Effect"
import { type Located, Recipes } from "../../recipe/Recipes.ts"
import { printJson, printLines } from "../config/Output.ts"

const items = (names: ReadonlyArray<string>) => names.map((name) => `  - ${name}`)

const linesOf = (name: string, { dependencies, description, location, packages }: Located): ReadonlyArray<string> => [
  `Recipe: ${name}`,
  `Location: ${location}`,
  `Description: ${description}`,
  `Package count: ${packages.length}`,
  "Packages:",
  ...items(packages),
  `Dependencies: ${dependencies.length}`,
  ...items(dependencies)
]

/** One after the other: what is there has been printed when the first that is not ends it. */
export const info = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const recipes = yield* Recipes
  for (const name of names) yield* printLines(linesOf(name, yield* recipes.cached(name)))
})

/** All of them or none: half a document is none. */
export const infoJson = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const recipes = yield* Recipes
  yield* printJson(
    yield* Effect.forEach(names, (name) => Effect.map(recipes.cached(name), (recipe) => ({ name, ...recipe })))
  )
})
