/** Fetched recipes of one distribution: files in the data directory, each written atomically. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { partOf } from "../PartFile.ts"
import { isRecipeName } from "./Recipe.ts"
import { filesError, RecipeError } from "./RecipeError.ts"

/** The directory of a distribution's cached recipes, below a data directory. */
export const cacheDirectory = (data: string, distribution: string): string => `${data}/recipes/${distribution}/latest`

/** The file of a recipe. Only this function makes a path of a name, which has been checked. */
export const cachePath = (directory: string, name: string): string => `${directory}/${name}.json`

/** A temporary file. No recipe's name begins with a dot. */
const isPart = (name: string): boolean => /^\..*\.part$/.test(name)

/** Milliseconds after which a temporary file counts as left by a killed writer. */
const partAge = 600_000

/** Names of the cached recipes, in alphabetical order. */
export const cachedNames = Effect.fnUntraced(function*(directory: string) {
  const fs = yield* FileSystem.FileSystem
  const files = yield* fs.readDirectory(directory).pipe(
    Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed<ReadonlyArray<string>>([])),
    Effect.mapError(filesError(directory))
  )
  return files.flatMap((file) => file.endsWith(".json") ? [file.slice(0, -".json".length)] : []).filter(isRecipeName)
    .sort()
})

const sweep = Effect.fnUntraced(function*(directory: string) {
  const fs = yield* FileSystem.FileSystem
  const now = yield* Clock.currentTimeMillis
  for (const name of (yield* fs.readDirectory(directory)).filter(isPart)) {
    const { mtime } = yield* fs.stat(`${directory}/${name}`)
    if (Option.exists(mtime, (time) => now - time.getTime() > partAge)) {
      yield* fs.remove(`${directory}/${name}`, { force: true })
    }
  }
}, (self) => Effect.ignore(self))

/**
 * Stores recipes. All texts are on the disk before the first file is renamed into place. So a full disk changes nothing,
 * and no file is ever incomplete.
 *
 * @param directory of the cache
 * @param recipes names and texts
 */
export const store = Effect.fn("RecipeCache.store")(function*(
  directory: string,
  recipes: ReadonlyArray<{ readonly name: string; readonly text: string }>
) {
  const fs = yield* FileSystem.FileSystem
  const strange = recipes.find(({ name }) => !isRecipeName(name))
  if (strange !== undefined) {
    return yield* new RecipeError({ reason: "Files", detail: `Invalid recipe name '${strange.name}'` })
  }
  yield* fs.makeDirectory(directory, { recursive: true }).pipe(Effect.mapError(filesError(directory)))
  yield* sweep(directory)
  const parts = yield* Effect.forEach(recipes, ({ name, text }) => {
    const target = cachePath(directory, name)
    return Effect.map(partOf(target), (part) => ({ text, part, target }))
  })
  yield* Effect.forEach(
    parts,
    ({ part, text }) =>
      fs.writeFileString(part, text, { flag: "wx", mode: 0o644 }).pipe(Effect.mapError(filesError(part)))
  ).pipe(
    Effect.andThen(
      Effect.forEach(parts, ({ part, target }) => fs.rename(part, target).pipe(Effect.mapError(filesError(target))))
    ),
    Effect.onError(() =>
      Effect.forEach(parts, ({ part }) => Effect.ignore(fs.remove(part, { force: true })), { discard: true })
    )
  )
})
