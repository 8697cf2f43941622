/** `flatimage config FILE …`: the settings of an image from outside, without running it. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { DesktopImage } from "../../desktop/DesktopImage.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { decodeSettings, encodeSettings } from "../../image/SettingsFile.ts"
import type { NativeBytes } from "../../platform/NativeBytes.ts"
import { identityKeeper } from "../../relocate/Copies.ts"
import { Host } from "../../relocate/Host.ts"
import { BuildInfo, distributionIn } from "./BuildInfo.ts"
import { CommandError, usageError } from "./CommandError.ts"
import { isConfigCommand, runHandler, showHelp } from "./Dispatch.ts"
import { openImage } from "./ImageFile.ts"

/** Where the `fim` program of this machine is, for writing. */
export class Patcher extends Context.Service<Patcher, { readonly path: string }>()(
  "flatimage/cli/config/ConfigFile/Patcher"
) {}

/** `-` is standard output. */
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
      new CommandError({ text: `'${source}' holds no settings: ${detail}`, context: "Could not import the settings" })
    )
  )
  yield* (yield* ReservedSpace).writeAll(values)
})

const run = Effect.fnUntraced(function*(
  words: ReadonlyArray<string>,
  json: boolean,
  image: DesktopImage["Service"]
) {
  const [name, ...rest] = words
  if (name === undefined) return yield* usageError("Missing command for 'config' (<fim-command>, --export, --import)")
  if (yield* showHelp(name, rest)) return
  // The parser took `--json` out of the words; a command takes it in front of its operation.
  const args = json ? [...rest.slice(0, 1), "--json", ...rest.slice(1)] : rest
  if (name === "fim-desktop") {
    const { desktop } = yield* Effect.promise(() => import("../desktop/Desktop.ts"))
    return yield* desktop(args, image)
  }
  if (!isConfigCommand(name)) {
    return yield* new CommandError({ text: `Unknown command: ${name}`, context: "Invalid fim command" })
  }
  yield* runHandler(name, args)
})

/** An image is known to a desktop by its own path, not by those of links. */
const realPath = Effect.fnUntraced(function*(path: string) {
  return yield* (yield* FileSystem.FileSystem).realPath(path)
})

const flags = {
  file: Argument.Path("file", { pathType: "file" }).pipe(Argument.withDescription("the image")),
  words: Argument.String("command").pipe(
    Argument.withDescription("a configuration command with its words; after -- all words are data"),
    Argument.variadic()
  ),
  export: Flag.String("export").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Write all settings to this JSON file; - is standard output"),
    Flag.optional
  ),
  import: Flag.String("import").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Read settings from such a file, all or none"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
}

export const configCommand = Command.make(
  "config",
  flags,
  Effect.fn("config")(function*(input) {
    const { offset, table } = yield* openImage(input.file)
    const context = yield* Effect.context<FileSystem.FileSystem | NativeBytes | Patcher | Host>()
    const { path: patcher } = Context.get(context, Patcher)
    const target = Option.getOrUndefined(input.export)
    const origin = Option.getOrUndefined(input.import)
    if (target !== undefined && origin !== undefined) {
      return yield* usageError("'--export' and '--import' should not be used together")
    }
    if ((target ?? origin) !== undefined && input.words.length > 0) {
      return yield* usageError("'--export' and '--import' should not be used with a command")
    }
    const work = Effect.gen(function*() {
      if (target !== undefined) yield* exportSettings(target)
      else if (origin !== undefined) yield* importSettings(origin)
      else yield* run(input.words, input.json, { path: yield* realPath(input.file), fim: patcher })
    })
    const path = yield* realPath(input.file)
    const keeper = identityKeeper(Context.get(context, Host), path, context)
    // The image, and with it what it was made from, is known only now.
    const ImageLayer = Layer.mergeAll(
      ReservedSpace.layer({ path: input.file, offset, patcher, keeper }),
      Layer.effect(
        BuildInfo,
        Effect.map(ReservedSpace, (space) => ({
          ...table,
          dependencies: Effect.succeed(table.dependencies),
          distribution: distributionIn(space)
        }))
      ).pipe(Layer.provide(ReservedSpace.layer({ path: input.file, offset, patcher })))
    )
    // @effect-diagnostics-next-line strictEffectProvide:off
    yield* work.pipe(Effect.provide(ImageLayer))
  })
).pipe(
  Command.withDescription("Read or change the settings of an image without running it."),
  Command.withExamples([
    { command: "flatimage config app.flatimage fim-perms set network,wayland", description: "grant two permissions" },
    { command: "flatimage config app.flatimage fim-boot set -- ls -la /", description: "words with dashes after --" },
    { command: "flatimage config app.flatimage --export settings.json", description: "save all settings" },
    { command: "flatimage config other.flatimage --import settings.json", description: "and use them elsewhere" }
  ])
)
