/** An image's command for recipes, on settings in memory and a data directory of its own. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { withGuest } from "../../../src/cli/Cli.ts"
import { BuildInfo } from "../../../src/cli/config/BuildInfo.ts"
import { GuestRun } from "../../../src/cli/recipe/GuestRun.ts"
import { DesktopImage } from "../../../src/desktop/DesktopImage.ts"
import { Relocate } from "../../../src/relocate/Relocate.ts"
import { patcher } from "../../image/ReservedSpaceFixture.ts"
import { temporary } from "../../support/Place.ts"
import { self } from "../../support/Users.ts"
import { build, type Image, newImage, outcomeOf } from "../config/Run.ts"

export const newDebian = (remote?: string, distribution = "DEBIAN") =>
  newImage({ remote, extension: { distribution, portal: [] } })

/** An image in a directory of its own. Programs are run by tests of real images: here none starts. */
export const recipePlace = Effect.map(temporary(self), (directory) => {
  const variables = {
    FIM_BIN_SELF: `${directory}/app.flatimage`,
    FIM_DIR_APP: `${directory}/app/app`,
    FIM_DIR_GLOBAL: directory,
    FIM_OFFSET: "1",
    FIM_VERSION: "0.1.0",
    FIM_COMMIT: "66831bd",
    FIM_TIMESTAMP: "20250102030405"
  }
  mkdirSync(`${variables.FIM_DIR_APP}/bin`, { recursive: true })
  symlinkSync(patcher(), `${variables.FIM_DIR_APP}/bin/fim`)
  writeFileSync(variables.FIM_BIN_SELF, "")
  const data = `${directory}/.app.flatimage.data`
  const cache = `${data}/recipes/debian/latest`
  const run = (image: Image, ...words: ReadonlyArray<string>) =>
    outcomeOf(
      image,
      withGuest(["fim-recipe", ...words]).pipe(
        Effect.provide(Layer.mergeAll(
          Relocate.layer,
          Layer.succeed(DesktopImage, { path: variables.FIM_BIN_SELF, fim: patcher() }),
          Layer.succeed(BuildInfo, {
            ...build,
            distribution: Effect.succeed(image.settings.extension.distribution),
            dependencies: Effect.succeed({})
          }),
          Layer.succeed(GuestRun, { run: ({ args }) => Effect.die(`started ${args.length} arguments`) })
        ))
      ),
      variables
    )
  const write = (name: string, content: unknown) => {
    mkdirSync(cache, { recursive: true })
    writeFileSync(`${cache}/${name}.json`, typeof content === "string" ? content : JSON.stringify(content))
  }
  return { data, cache, run, write }
})
