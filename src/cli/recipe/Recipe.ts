/** fim-recipe: sets of packages by name. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stdio from "effect/Stdio"
import { findDistribution } from "../../build/dist/Distributions.ts"
import { Progress, Quiet } from "../../build/Progress.ts"
import type { DesktopImage } from "../../desktop/DesktopImage.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { isRecipeName } from "../../recipe/Recipe.ts"
import type { RecipeError } from "../../recipe/RecipeError.ts"
import { Recipes } from "../../recipe/Recipes.ts"
import { RecipeSource } from "../../recipe/RecipeSource.ts"
import { existingData } from "../../relocate/ExistingData.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { examineBy } from "../../relocate/TrustedDirectory.ts"
import { BuildInfo } from "../config/BuildInfo.ts"
import { CommandError, quoteList, trailingError, usageError } from "../config/CommandError.ts"
import { printJson, printLines } from "../config/Output.ts"
import { parseWords } from "../config/Words.ts"
import { info, infoJson } from "./Info.ts"
import { install } from "./Install.ts"

const operations = ["FETCH", "INFO", "INSTALL", "LIST"] as const
type Operation = (typeof operations)[number]

/** What is said last when one of these fails. */
const contexts: Readonly<Record<Operation, string>> = {
  FETCH: "Failed to fetch recipe",
  INFO: "Failed to get recipe info",
  INSTALL: "Failed to install recipe",
  LIST: "Failed to list recipes"
}

const fail = (text: string, context: string, hint?: string) =>
  new CommandError({ text, context, ...(hint === undefined ? {} : { hint }) })

/** What could not be got was not fetched, whoever wanted it. */
const said = (operation: Operation) => ({ detail, hint, reason }: RecipeError) =>
  fail(detail, reason === "Fetch" || reason === "Remote" ? contexts.FETCH : contexts[operation], hint)

const parseNames = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  const [list, ...trailing] = words
  if (list === undefined) return yield* usageError("Missing recipe for operation")
  const names = list.split(",")
  if (names.includes("")) return yield* usageError("Recipe argument is empty")
  const strange = names.find((name) => !isRecipeName(name))
  if (strange !== undefined) {
    return yield* usageError(
      `Invalid recipe name '${strange}'`,
      "Names have up to 64 letters, digits and '._+-', begin with a letter or a digit, and have no '..' in them"
    )
  }
  if (trailing.length > 0) return yield* trailingError("fim-recipe", trailing)
  return names
})

/** The distribution whose recipes these are. */
const distributionOf = Effect.fnUntraced(function*(operation: Operation) {
  const title = yield* (yield* BuildInfo).distribution
  const distribution = findDistribution(title.toLowerCase())
  if (distribution?.install !== undefined) return distribution
  // Lower case, as others write it who know this one.
  const name = `${title.slice(0, 1)}${title.slice(1).toLowerCase()}`
  return yield* fail(
    `${name} does not support recipes`,
    contexts[operation],
    "They need a package manager that we know"
  )
})

/** Bars on a terminal, and nothing elsewhere: what happens is said on standard output. */
const progress = Layer.unwrap(
  Effect.map(Stdio.Stdio, ({ stderrIsTerminal }) =>
    Layer.merge(
      Progress.layer,
      Layer.effect(Quiet, Effect.map(stderrIsTerminal, (isTerminal) => !isTerminal))
    ))
)

/** The command. In: the words behind its name, and the image. The answer is the exit code. */
export const recipe = Effect.fn("fim-recipe")(function*(args: ReadonlyArray<string>, image: DesktopImage["Service"]) {
  const { json, operation: word, rest } = parseWords(args)
  if (word === undefined) return yield* usageError("Missing op for 'fim-recipe' (<fetch|info|install>)")
  const operation = operations.find((known) => known === word)
  if (operation === undefined) {
    return yield* usageError(
      "Invalid recipe operation",
      `'${word.toLowerCase()}' is none of ${quoteList(operations.map((name) => name.toLowerCase()))}`
    )
  }
  if (operation === "LIST" && rest.length > 0) return yield* trailingError("fim-recipe", rest)
  const names = operation === "LIST" ? [] : yield* parseNames(rest)
  const distribution = yield* distributionOf(operation)
  const relocate = yield* Relocate
  const reserved = yield* ReservedSpace
  const extension = yield* reserved.read("extension")
  const explained = Effect.mapError(({ message }: { readonly message: string }) => fail(message, contexts[operation]))
  const writes = operation === "FETCH" || operation === "INSTALL"
  const data = writes
    ? yield* explained(relocate.data(extension, yield* examineBy(`${relocate.directories.bin}/fim`)))
    // In the directory of an instance that does not run there is nothing.
    : (yield* explained(existingData("recipes", extension))) ?? relocate.directories.instance
  const remote = yield* reserved.read("remote")
  const context = yield* Layer.build(
    Recipes.layer({ distribution, data, remote }).pipe(
      Layer.provide(RecipeSource.layer),
      Layer.provideMerge(progress)
    )
  )
  const operate = Effect.gen(function*() {
    const recipes = yield* Recipes
    switch (operation) {
      case "FETCH":
        yield* recipes.fetch(names)
        return 0
      case "INFO":
        yield* json ? infoJson(names) : info(names)
        return 0
      case "LIST": {
        const all = yield* recipes.names
        yield* json ? printJson(all) : printLines(all)
        return 0
      }
      case "INSTALL":
        return yield* install(names, { distribution, remote, image })
    }
  })
  return yield* operate.pipe(
    Effect.provideContext(context),
    Effect.catchTag("RecipeError", (error) => Effect.fail(said(operation)(error)))
  )
}, Effect.scoped)
