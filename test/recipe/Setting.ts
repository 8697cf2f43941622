/** Recipes of a Debian on a data directory of their own, with what they say and keep. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { findDistribution } from "../../src/builder/dist/Distributions.ts"
import { Progress } from "../../src/builder/Progress.ts"
import { Recipes } from "../../src/recipe/Recipes.ts"
import { RecipeSource } from "../../src/recipe/RecipeSource.ts"
import { hostWith } from "../support/Host.ts"
import { temporary } from "../support/Place.ts"
import * as Platform from "../support/Platform.ts"
import { self } from "../support/Users.ts"

const distribution = findDistribution("debian")!

/** The service on a data directory of its own, the lines it says, and the files of its cache. */
export const setting = Effect.fnUntraced(function*(remote: string | undefined) {
  const data = yield* temporary(self)
  const said: Array<string> = []
  const reported: Array<number> = []
  const recipes = yield* Recipes.pipe(
    Effect.provide(
      Recipes.layer({ distribution, data, remote }).pipe(
        Layer.provide(RecipeSource.layer),
        Layer.provide(Layer.succeed(Progress, {
          step: (_label, work) => work((done) => Effect.sync(() => void reported.push(done))),
          note: () => Effect.void
        })),
        Layer.provide(hostWith()),
        Layer.provide(Platform.layer)
      )
    )
  )
  const logger = Logger.make(({ message }) => void said.push(String(message)))
  const heard = <A, E>(effect: Effect.Effect<A, E>) => Effect.provide(effect, Logger.layer([logger]))
  const directory = `${data}/recipes/debian/latest`
  const cache = () =>
    existsSync(directory)
      ? Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(`${directory}/${name}`, "utf8")]))
      : {}
  return {
    data,
    directory,
    said,
    reported,
    cache,
    fetch: (...names: ReadonlyArray<string>) => heard(recipes.fetch(names)),
    provide: (...names: ReadonlyArray<string>) => heard(recipes.provide(names)),
    recipes
  }
})
