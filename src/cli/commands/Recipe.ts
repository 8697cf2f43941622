/** `fim-recipe`. */
import { recipeName, recipeNameHint } from "../../recipe/RecipeName.ts"
import { json, operation } from "../grammar/Command.ts"
import type { GuestCommand } from "./Services.ts"

const recipes = () => import("../recipe/Recipe.ts")

const anyNames = {
  name: "names",
  shown: "recipe,...",
  as: "list",
  missing: "Missing recipe for operation",
  empty: "Recipe argument is empty"
} as const

const names = {
  ...anyNames,
  pattern: recipeName,
  invalid: "Invalid recipe name '%s'",
  hint: recipeNameHint
} as const

export const command: GuestCommand = {
  name: "fim-recipe",
  summary: "named sets of packages",
  description: [
    "A recipe names packages of the image's distribution, and other recipes that it depends on. fetch downloads recipes",
    "and their dependencies from the URL of fim-remote. install downloads only missing ones, and runs the guest's package",
    "manager as root. A list is separated by commas, without spaces."
  ],
  missing: "Missing op for 'fim-recipe' (<fetch|info|install>)",
  unknown: "Invalid recipe operation",
  operations: [
    operation({
      name: "fetch",
      summary: "download recipes even if they are cached, all or none",
      // Without a name it lists the recipes.
      arguments: [{ ...names, optional: true }],
      handler: () => recipes().then(({ fetch }) => fetch)
    }),
    operation({
      name: "info",
      summary: "print downloaded recipes",
      // Recipes before an invalid name are printed.
      arguments: [anyNames],
      options: [json],
      handler: () => recipes().then(({ info }) => info)
    }),
    operation({
      name: "install",
      summary: "install the packages, and set up the desktop if a recipe contains that",
      arguments: [names],
      handler: () => recipes().then(({ install }) => install)
    }),
    operation({
      name: "list",
      summary: "print the names of downloaded recipes, one per line",
      options: [json],
      handler: () => recipes().then(({ list }) => list)
    })
  ],
  examples: [
    { command: "fim-perms add network", description: "allow the download of packages" },
    { command: "fim-recipe install gpu,audio", description: "install two recipes and their dependencies" },
    { command: "fim-layer commit binary", description: "keep the packages in the image itself" }
  ],
  exitCodes: [["other", "exit code of the package manager"]]
}
