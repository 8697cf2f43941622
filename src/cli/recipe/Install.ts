/** `fim-recipe install`: installs the packages of recipes in the guest, and integrates the image into the desktop. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Distribution } from "../../builder/dist/Distribution.ts"
import { DesktopError } from "../../desktop/DesktopError.ts"
import { IconConverter } from "../../desktop/IconConverter.ts"
import { IconSource } from "../../desktop/IconSource.ts"
import { pathOfUrl } from "../../FileUrl.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { type Installation, installationOf } from "../../recipe/Installation.ts"
import { Recipes } from "../../recipe/Recipes.ts"
import * as Utf8 from "../../Utf8.ts"
import { storeDesktop } from "../desktop/Setup.ts"
import { GuestRun } from "./GuestRun.ts"

/** The distribution whose packages are installed. */
export interface Options {
  readonly distribution: Distribution
}

/** The directory in which a relative icon path starts. A recipe of another author must not read files of this machine. */
const besideOf = Effect.fnUntraced(function*(name: string, icon: string) {
  if (/^https?:\/\//i.test(icon)) return ""
  const beside = pathOfUrl(yield* (yield* Recipes).urlOf(name))
  if (beside !== undefined) return beside
  return yield* new DesktopError({
    reason: "Icon",
    detail: `the icon '${icon.slice(0, 100)}' is not an HTTP URL, and the recipe is not from a file of this machine`
  })
})

const setUpDesktop = Effect.fnUntraced(function*(
  { document, name }: NonNullable<Installation["desktop"]>
) {
  yield* Effect.logInfo("Setting up desktop integration from recipe")
  const services = yield* Layer.build(Layer.mergeAll(IconConverter.layer, IconSource.layer))
  yield* besideOf(name, document.icon).pipe(
    Effect.flatMap((beside) => storeDesktop(document, beside)),
    Effect.provideContext(services),
    Effect.matchEffect({
      onSuccess: () => Effect.logInfo("Desktop integration setup successful"),
      // The packages are installed all the same.
      onFailure: ({ message }) => Effect.logWarning(`Failed to setup desktop integration: ${message}`)
    })
  )
}, Effect.scoped)

/**
 * Installs recipes. If installing packages fails, the desktop stays unchanged.
 *
 * @param names of the recipes
 * @param options where recipes come from, and their distribution
 * @returns the exit code of the package manager
 */
export const install = Effect.fnUntraced(function*(names: ReadonlyArray<string>, options: Options) {
  const recipes = yield* (yield* Recipes).provide(names)
  const { desktop, desktops, args } = yield* Effect.fromResult(installationOf(recipes, options.distribution))
  for (const name of desktops) yield* Effect.logInfo(`Found desktop integration in recipe '${name}'`)
  if (args === undefined) yield* Effect.logInfo("The recipes name no packages")
  else {
    const permissions = yield* (yield* ReservedSpace).read("permissions")
    if (!permissions.includes("network")) {
      yield* Effect.logWarning(
        "The guest may not use the network, which packages come from: 'fim-perms add network' lets it"
      )
    }
    const { run } = yield* GuestRun
    const code = yield* run({
      _tag: "Execute",
      root: true,
      args: args.map(Utf8.encode)
    })
    if (code !== 0) return code
  }
  if (desktop !== undefined) yield* setUpDesktop(desktop)
  return 0
})
