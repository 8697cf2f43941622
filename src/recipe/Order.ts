/** Sorts recipes by their dependencies. */
import * as Effect from "effect/Effect"
import type { Recipe } from "./Recipe.ts"
import { RecipeError } from "./RecipeError.ts"

/** Limit of recipes, for a server that adds a dependency to each reply. No purpose needs more. */
export const maxRecipes = 100

export type Named<A extends Pick<Recipe, "dependencies">> = A & { readonly name: string }

/**
 * These recipes and all their dependencies, each once and after its own dependencies. `load` is called once for each
 * recipe, the requested ones first. Fails with `Cycle` for a recipe that depends on itself, directly or indirectly.
 */
export const inOrder = <A extends Pick<Recipe, "dependencies">, E, R>(
  names: ReadonlyArray<string>,
  load: (name: string) => Effect.Effect<A, E, R>
): Effect.Effect<ReadonlyArray<Named<A>>, E | RecipeError, R> => {
  const ordered: Array<Named<A>> = []
  const seen = new Set<string>()
  const visit = (name: string, path: ReadonlyArray<string>): Effect.Effect<void, E | RecipeError, R> =>
    Effect.gen(function*() {
      const start = path.indexOf(name)
      if (start >= 0) {
        return yield* new RecipeError({
          reason: "Cycle",
          detail: `Cyclic dependency for recipe '${name}'`,
          hint: `They depend on each other: ${[...path.slice(start), name].join(" -> ")}`
        })
      }
      if (seen.has(name)) return
      if (seen.size === maxRecipes) {
        return yield* new RecipeError({ reason: "Limit", detail: `More than ${maxRecipes} recipes are needed` })
      }
      seen.add(name)
      const recipe = yield* load(name)
      for (const dependency of recipe.dependencies) yield* visit(dependency, [...path, name])
      ordered.push({ ...recipe, name })
    })
  return Effect.as(Effect.forEach(names, (name) => visit(name, []), { discard: true }), ordered)
}
