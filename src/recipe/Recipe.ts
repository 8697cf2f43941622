/** The schema of a recipe: packages of a distribution, dependencies on other recipes, and desktop integration. Pure. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Distribution } from "../builder/dist/Distribution.ts"
import { SetupDocument } from "../desktop/SetupDocument.ts"
import { RecipeError } from "./RecipeError.ts"
import { recipeName } from "./RecipeName.ts"

/** Far more than a recipe needs, but few enough for memory and a command line. */
export const limits = {
  bytes: 262_144,
  packages: 1000,
  packageName: 128,
  dependencies: 100,
  description: 2000
} as const

/** Whether a text is a valid name of a recipe. */
export const isRecipeName = (name: string): boolean => recipeName.test(name)

/** A valid recipe. */
export interface Recipe {
  readonly description: string
  /** Packages for the distribution, in the order of the file. */
  readonly packages: ReadonlyArray<string>
  /** Names of recipes whose packages are needed too. */
  readonly dependencies: ReadonlyArray<string>
  readonly desktop?: SetupDocument
}

const Line = Schema.String.check(
  Schema.isMaxLength(limits.description),
  // A terminal would interpret control characters.
  Schema.makeFilter((text) => text.isWellFormed() && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text), {
    expected: "a line of text without control characters"
  })
)

const Dependencies = Schema.Array(
  Schema.String.check(Schema.makeFilter(isRecipeName, { expected: "the name of a recipe" }))
).check(Schema.isMaxLength(limits.dependencies))

const packagesOf = ({ name, packageName }: Distribution) =>
  Schema.Array(
    Schema.String.check(
      Schema.isMaxLength(limits.packageName),
      Schema.makeFilter((word) => packageName.test(word), { expected: `the name of a package of ${name}` })
    )
  ).check(Schema.isMaxLength(limits.packages))

const schemaOf = (distribution: Distribution) =>
  Schema.Struct({
    description: Line,
    packages: packagesOf(distribution),
    dependencies: Schema.optionalKey(Dependencies),
    desktop: Schema.optionalKey(SetupDocument)
  })

const decodeObject = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const refused = (detail: string, hint?: string) =>
  new RecipeError({ reason: "Content", detail, ...(hint === undefined ? {} : { hint }) })

/** One short line: the message of a schema quotes the value. */
const unreadable = (message: string) => {
  const line = message.replaceAll(/[\s\p{Cc}]+/gu, " ")
  return refused("Could not parse json file", line.length > 300 ? `${line.slice(0, 300)}…` : line)
}

/**
 * Parses a recipe for a distribution. A list of packages under the name of the distribution replaces `packages`, which
 * applies to all. Other fields are ignored.
 *
 * @param text the file
 * @param distribution whose packages are read
 * @returns the recipe; fails with `Content`
 */
export const parseRecipe = (text: string, distribution: Distribution): Result.Result<Recipe, RecipeError> => {
  if (text.trim() === "") return Result.fail(refused("Empty json file"))
  const parsed = decodeObject(text)
  if (Result.isFailure(parsed)) return Result.fail(unreadable(parsed.failure.message))
  const document = parsed.success
  const missing = (field: string, hint: string) => Result.fail(refused(`Missing '${field}' field`, hint))
  if (typeof document["description"] !== "string") {
    return missing("description", "Could not parse json file: 'description' has to be a text")
  }
  const own = Object.hasOwn(document, distribution.name)
  if (!own && !Object.hasOwn(document, "packages")) {
    return missing(
      "packages",
      `Could not parse json file: there is no list 'packages' and none of '${distribution.name}'`
    )
  }
  const packages = document[own ? distribution.name : "packages"]
  return Schema.decodeUnknownResult(schemaOf(distribution))({ ...document, packages }).pipe(
    Result.mapBoth({
      onFailure: (error) => unreadable(error.message),
      onSuccess: (recipe) => ({ ...recipe, dependencies: recipe.dependencies ?? [] })
    })
  )
}
