/** The recipes of one distribution: reads them from the cache, and fetches them into it. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { Distribution } from "../builder/dist/Distribution.ts"
import { Progress } from "../builder/Progress.ts"
import { Host } from "../relocate/Host.ts"
import { inOrder, type Named } from "./Order.ts"
import { limits, parseRecipe, type Recipe } from "./Recipe.ts"
import { cacheDirectory, cachedNames, cachePath, store } from "./RecipeCache.ts"
import { RecipeError } from "./RecipeError.ts"
import { RecipeSource } from "./RecipeSource.ts"

/** Whose recipes, where they are cached, and where they come from. */
export interface Options {
  readonly distribution: Distribution
  /** The data directory. */
  readonly data: string
  /** URL of the recipes, as it is stored. */
  readonly remote: string | undefined
}

export type Located = Recipe & { readonly location: string }

/** A requested recipe, or one of its dependencies. */
export type NamedRecipe = Named<Recipe>

/** The recipes of one distribution. */
export class Recipes extends Context.Service<Recipes, {
  /**
   * Fetches these recipes and all their dependencies, whether they are cached or not. Stores all of them or none. Returns
   * each once, after its dependencies.
   */
  readonly fetch: (names: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<NamedRecipe>, RecipeError>
  /** The same, but uses cached recipes. */
  readonly provide: (names: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<NamedRecipe>, RecipeError>
  /** One cached recipe. Fails with `Missing`. */
  readonly cached: (name: string) => Effect.Effect<Located, RecipeError>
  /** Names of the cached recipes. */
  readonly names: Effect.Effect<ReadonlyArray<string>, RecipeError>
  /** URL of a recipe. */
  readonly urlOf: (name: string) => Effect.Effect<string, RecipeError>
}>()("flatimage/recipe/Recipes") {
  static readonly layer = (
    options: Options
  ): Layer.Layer<Recipes, never, FileSystem.FileSystem | Host | Progress | RecipeSource> =>
    Layer.effect(Recipes, make(options))
}

const make = Effect.fnUntraced(function*({ data, distribution, remote }: Options) {
  const context = yield* Effect.context<FileSystem.FileSystem | Host>()
  const progress = yield* Progress
  const source = yield* RecipeSource
  const directory = cacheDirectory(data, distribution.name)

  const urlOf = Effect.fnUntraced(function*(name: string) {
    if (remote === undefined) {
      return yield* new RecipeError({
        reason: "Remote",
        detail: "No remote URL configured",
        hint: "'fim-remote set <url>' configures one"
      })
    }
    if (!/^(https?|file):\/\//i.test(remote) || URL.parse(remote) === null) {
      return yield* new RecipeError({
        reason: "Remote",
        detail: `Invalid remote URL '${remote}'`,
        hint: "It must begin with 'http://', 'https://' or 'file://'"
      })
    }
    return `${remote.replace(/\/+$/, "")}/${distribution.name}/latest/${name}.json`
  })

  const parse = (name: string, text: string) =>
    Effect.fromResult(parseRecipe(text, distribution)).pipe(
      Effect.mapError(({ detail, hint, reason }) =>
        new RecipeError({
          reason,
          detail,
          hint: `Recipe '${name}' for ${distribution.name}${hint === undefined ? "" : `: ${hint}`}`
        })
      )
    )

  const download = Effect.fnUntraced(function*(name: string) {
    const url = yield* urlOf(name)
    yield* Effect.logInfo(`Downloading recipe from '${url}'`)
    yield* Effect.logInfo(`Saving to '${cachePath(directory, name)}'`)
    const text = yield* progress.step(
      `Recipe '${name}'`,
      (report) => source.fetch(url, (done, total) => report(done, total ?? limits.bytes))
    )
    return { recipe: yield* parse(name, text), text }
  })

  const load = (name: string) =>
    Effect.flatMap(
      source.read(cachePath(directory, name)),
      (text) => text === undefined ? Effect.succeed(undefined) : parse(name, text)
    )

  const obtain = Effect.fnUntraced(function*(names: ReadonlyArray<string>, useCache: boolean) {
    const fetched: Array<{ readonly name: string; readonly text: string }> = []
    const recipes = yield* inOrder(
      names,
      Effect.fnUntraced(function*(name) {
        const cached = useCache ? yield* load(name) : undefined
        if (cached !== undefined) {
          yield* Effect.logInfo(`Using existing recipe from '${cachePath(directory, name)}'`)
          return cached
        }
        const { recipe, text } = yield* download(name)
        fetched.push({ name, text })
        return recipe
      })
    )
    if (fetched.length > 0) yield* store(directory, fetched).pipe(Effect.provideContext(context))
    for (const { name } of fetched) {
      yield* Effect.logInfo(`Successfully downloaded recipe '${name}' to '${cachePath(directory, name)}'`)
    }
    return recipes
  })

  return Recipes.of({
    fetch: Effect.fn("Recipes.fetch")((names) => obtain(names, false)),
    provide: Effect.fn("Recipes.provide")((names) => obtain(names, true)),
    cached: Effect.fn("Recipes.cached")(function*(name) {
      const recipe = yield* load(name)
      if (recipe === undefined) {
        return yield* new RecipeError({
          reason: "Missing",
          detail: `Recipe '${name}' not found locally. Use 'fim-recipe fetch ${name}' first.`
        })
      }
      return { ...recipe, location: cachePath(directory, name) }
    }),
    names: cachedNames(directory).pipe(Effect.provideContext(context)),
    urlOf: Effect.fn("Recipes.urlOf")(urlOf)
  })
})
