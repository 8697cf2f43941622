/** `flatimage config FILE …`: reads and changes the settings of an image without running it. */
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { DesktopImage } from "../../desktop/DesktopImage.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { decodeSettings, encodeSettings } from "../../image/SettingsFile.ts"
import type { NativeBytes } from "../../platform/NativeBytes.ts"
import { identityKeeper } from "../../relocate/Copies.ts"
import { Host } from "../../relocate/Host.ts"
import { carryOut, showHelp, unknownCommand } from "../Cli.ts"
import { findSettingsCommand, findTopic } from "../commands/ImageCommands.ts"
import { BuildInfo, distributionIn } from "./BuildInfo.ts"
import { CommandError, usageError } from "./CommandError.ts"
import { openImage } from "./ImageFile.ts"

/** Path of this machine's `fim` program, which writes to images. */
export class Patcher extends Context.Service<Patcher, { readonly path: string }>()(
  "flatimage/cli/config/ConfigFile/Patcher"
) {}

/** Exports the settings as JSON to a file, or to standard output for `-`. */
const exportSettings = Effect.fnUntraced(function*(target: string) {
  const { settings, warnings } = yield* (yield* ReservedSpace).everything
  yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
  const text = yield* Effect.fromResult(encodeSettings(settings)).pipe(
    Effect.mapError((detail) => new CommandError({ text: detail, context: "Could not export the settings" }))
  )
  if (target === "-") return yield* Console.log(text.trimEnd())
  yield* (yield* FileSystem.FileSystem).writeFileString(target, text)
})

const importSettings = Effect.fnUntraced(function*(source: string) {
  const text = yield* (yield* FileSystem.FileSystem).readFileString(source)
  const values = yield* Effect.fromResult(decodeSettings(text)).pipe(
    Effect.mapError((detail) =>
      new CommandError({
        text: `'${source}' contains no settings: ${detail}`,
        context: "Could not import the settings"
      })
    )
  )
  yield* (yield* ReservedSpace).writeAll(values)
})

/** Runs a command of an image with its arguments. */
const run = Effect.fnUntraced(function*(image: string, args: ReadonlyArray<string>) {
  const [name, ...rest] = args
  if (name === undefined) return yield* usageError("Missing command for 'config' (<fim-command>, --export, --import)")
  if (yield* showHelp(name, rest)) return
  const command = findSettingsCommand(name)
  if (command !== undefined) {
    yield* carryOut(command, rest)
    return
  }
  if (findTopic(name)?.name === name) {
    return yield* usageError(`'${name}' works only on the image that runs`, `To run it: ${image} ${name}`)
  }
  return yield* unknownCommand(name)
})

/** A desktop knows an image by its real path, without links. */
const realPath = Effect.fnUntraced(function*(path: string) {
  return yield* (yield* FileSystem.FileSystem).realPath(path)
})

/**
 * Provides an image file to an effect.
 *
 * @param file its path
 * @param work the effect; it gets the real path of the image
 */
export const withImage = Effect.fnUntraced(function*<A, E, R>(
  file: string,
  work: (path: string) => Effect.Effect<A, E, R>
) {
  const { offset, table } = yield* openImage(file)
  const context = yield* Effect.context<FileSystem.FileSystem | NativeBytes | Patcher | Host>()
  const { path: patcher } = Context.get(context, Patcher)
  const path = yield* realPath(file)
  const keeper = identityKeeper(Context.get(context, Host), path, context)
  // Only now the image is known, and how it was made.
  const image = Layer.mergeAll(
    Layer.succeed(DesktopImage, { path, fim: patcher }),
    ReservedSpace.layer({ path: file, offset, patcher, keeper }),
    Layer.effect(
      BuildInfo,
      Effect.map(ReservedSpace, (space) => ({
        ...table,
        dependencies: Effect.succeed(table.dependencies),
        distribution: distributionIn(space)
      }))
    ).pipe(Layer.provide(ReservedSpace.layer({ path: file, offset, patcher })))
  )
  // @effect-diagnostics-next-line strictEffectProvide:off
  return yield* work(path).pipe(Effect.provide(image))
})

/** The arguments and options that `flatimage config` declares in HostCommands.ts. */
export interface Input {
  readonly file: string
  readonly command: ReadonlyArray<string>
  readonly export: string | undefined
  readonly import: string | undefined
}

export const config = Effect.fn("flatimage.config")(function*(input: Input) {
  const { export: target, import: origin } = input
  if (target !== undefined && origin !== undefined) {
    return yield* usageError("'--export' and '--import' should not be used together")
  }
  if ((target ?? origin) !== undefined && input.command.length > 0) {
    return yield* usageError("'--export' and '--import' should not be used with a command")
  }
  yield* withImage(input.file, (path) =>
    target !== undefined
      ? exportSettings(target)
      : origin !== undefined
      ? importSettings(origin)
      : run(path, input.command))
})
