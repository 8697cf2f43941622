/** fim-recipe: named sets of packages. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stdio from "effect/Stdio"
import { findDistribution } from "../../builder/dist/Distributions.ts"
import { Progress, Quiet } from "../../builder/Progress.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { isRecipeName } from "../../recipe/Recipe.ts"
import type { RecipeError } from "../../recipe/RecipeError.ts"
import { recipeNameHint } from "../../recipe/RecipeName.ts"
import { type Located, Recipes } from "../../recipe/Recipes.ts"
import { RecipeSource } from "../../recipe/RecipeSource.ts"
import { existingData } from "../../relocate/ExistingData.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { examineBy } from "../../relocate/TrustedDirectory.ts"
import { BuildInfo } from "../config/BuildInfo.ts"
import { CommandError, usageError } from "../config/CommandError.ts"
import { printJson, printLines } from "../config/Output.ts"
import * as Install from "./Install.ts"

/** The last line of an error, by operation. */
const contexts = {
  fetch: "Failed to fetch recipe",
  info: "Failed to get recipe info",
  install: "Failed to install recipe",
  list: "Failed to list recipes"
} as const
type Operation = keyof typeof contexts

const fail = (text: string, context: string, hint?: string) =>
  new CommandError({ text, context, ...(hint === undefined ? {} : { hint }) })

/** Download failures always use the context of fetch. */
const explain = (operation: Operation) => ({ detail, hint, reason }: RecipeError) =>
  fail(detail, reason === "Fetch" || reason === "Remote" ? contexts.fetch : contexts[operation], hint)

/** The distribution of these recipes. One without a package manager has recipes too, which cannot be installed. */
const distributionOf = Effect.fnUntraced(function*(operation: Operation) {
  const title = yield* (yield* BuildInfo).distribution
  const distribution = findDistribution(title.toLowerCase())
  const installs = distribution?.install !== undefined
  if (distribution !== undefined && (installs || operation !== "install")) return distribution
  // With one capital letter, as messages name a distribution.
  const name = `${title.slice(0, 1)}${title.slice(1).toLowerCase()}`
  return yield* fail(
    `${name} does not support recipes`,
    contexts[operation],
    "They need a package manager that we know"
  )
})

/** Progress bars on a terminal, and nothing elsewhere, because results are printed on standard output. */
const progress = Layer.unwrap(
  Effect.map(Stdio.Stdio, ({ stderrIsTerminal }) =>
    Layer.merge(
      Progress.layer,
      Layer.effect(Quiet, Effect.map(stderrIsTerminal, (isTerminal) => !isTerminal))
    ))
)

/** Provides the recipes of the image's distribution. Fails if the image has none. */
const withRecipes = <Input, A, E, R>(
  operation: Operation,
  operate: (input: Input, options: Install.Options) => Effect.Effect<A, E | RecipeError, R>
) =>
  Effect.fn(`fim-recipe.${operation}`)(function*(input: Input) {
    const distribution = yield* distributionOf(operation)
    const relocate = yield* Relocate
    const reserved = yield* ReservedSpace
    const extension = yield* reserved.read("extension")
    const explained = Effect.mapError(({ message }: { readonly message: string }) => fail(message, contexts[operation]))
    const writes = operation === "fetch" || operation === "install"
    const data = writes
      ? yield* explained(relocate.data(extension, yield* examineBy(`${relocate.directories.bin}/fim`)))
      // The directory of an instance that does not run is empty.
      : (yield* explained(existingData("recipes", extension))) ?? relocate.directories.instance
    const remote = yield* reserved.read("remote")
    const context = yield* Layer.build(
      Recipes.layer({ distribution, data, remote }).pipe(
        Layer.provide(RecipeSource.layer),
        Layer.provideMerge(progress)
      )
    )
    return yield* operate(input, { distribution }).pipe(
      Effect.provideContext(context),
      Effect.catchIf(
        (error): error is Extract<E | RecipeError, RecipeError> =>
          typeof error === "object" && error !== null && "_tag" in error && error._tag === "RecipeError",
        (error) => Effect.fail(explain(operation)(error))
      )
    )
  }, Effect.scoped)

interface Names {
  readonly names: ReadonlyArray<string>
}

export const fetch = withRecipes(
  "fetch",
  Effect.fnUntraced(function*({ names }: Names) {
    const recipes = yield* Recipes
    if (names.length > 0) return yield* Effect.asVoid(recipes.fetch(names))
    const known = yield* recipes.names
    return yield* usageError(
      "Missing recipe for operation",
      known.length === 0
        ? "None was fetched yet: 'fim-recipe fetch <name>' fetches one"
        : `Those that were fetched before: ${known.join(", ")}`
    )
  })
)

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

/** Prints the cached recipes: as text one after the other, up to the first missing one; as JSON all of them or none. */
export const info = withRecipes(
  "info",
  Effect.fnUntraced(function*({ json, names }: Names & { readonly json: boolean }) {
    const recipes = yield* Recipes
    const valid = (name: string): Effect.Effect<Located, CommandError | RecipeError> =>
      isRecipeName(name)
        ? recipes.cached(name)
        : Effect.fail(usageError(`Invalid recipe name '${name}'`, recipeNameHint))
    if (!json) {
      for (const name of names) yield* printLines(linesOf(name, yield* valid(name)))
      return
    }
    yield* printJson(
      yield* Effect.forEach(names, (name) => Effect.map(valid(name), (recipe) => ({ name, ...recipe })))
    )
  })
)

export const list = withRecipes(
  "list",
  Effect.fnUntraced(function*({ json }: { readonly json: boolean }) {
    const all = yield* (yield* Recipes).names
    yield* json ? printJson(all) : printLines(all)
  })
)

/** Returns the exit code of the package manager. */
export const install = withRecipes("install", ({ names }: Names, options) => Install.install(names, options))
