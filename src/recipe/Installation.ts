/** The command that installs recipes, and the desktop integration that follows. Pure. */
import * as Result from "effect/Result"
import type { Distribution } from "../builder/dist/Distribution.ts"
import { installCommand } from "../builder/dist/Distributions.ts"
import type { SetupDocument } from "../desktop/SetupDocument.ts"
import type { Named } from "./Order.ts"
import type { Recipe } from "./Recipe.ts"
import { RecipeError } from "./RecipeError.ts"

/** Limit of packages: names of maximal length still fit into a command line. */
export const maxPackages = 4000

/** What to install, and what follows. */
export interface Installation {
  /** The command for root of the guest; `undefined` if there are no packages. */
  readonly args: ReadonlyArray<string> | undefined
  /** Names of the recipes with a desktop part, and the last recipe's part. */
  readonly desktops: ReadonlyArray<string>
  readonly desktop: { readonly name: string; readonly document: SetupDocument } | undefined
}

/**
 * The installation of recipes. Each package is installed once.
 *
 * @param recipes in order
 * @param distribution theirs
 * @returns the command; fails with `Limit` if there are too many packages
 */
export const installationOf = (
  recipes: ReadonlyArray<Named<Recipe>>,
  distribution: Distribution
): Result.Result<Installation, RecipeError> => {
  const packages = [...new Set(recipes.flatMap((recipe) => recipe.packages))]
  if (packages.length > maxPackages) {
    return Result.fail(
      new RecipeError({
        reason: "Limit",
        detail: `The recipes name ${packages.length} packages, at most ${maxPackages} are possible`
      })
    )
  }
  const integrated = recipes.filter(({ desktop }) => desktop !== undefined)
  const last = integrated.at(-1)
  return Result.succeed({
    args: packages.length === 0 ? undefined : installCommand(distribution, packages),
    desktops: integrated.map(({ name }) => name),
    desktop: last?.desktop === undefined ? undefined : { name: last.name, document: last.desktop }
  })
}
