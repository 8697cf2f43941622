/** Our own commands, as opposed to programs: from the first word to what it does. Each is loaded when it is called. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { ReservedSpace } from "../image/ReservedSpace.ts"
import { Relocate } from "../relocate/Relocate.ts"
import { BuildInfo, distributionIn, unknownOrigin } from "./config/BuildInfo.ts"
import { CommandError } from "./config/CommandError.ts"
import { isConfigCommand, runChanging, runReading, showHelp } from "./config/Dispatch.ts"

/** What the image says about how it was made. The tool table is a file beside the tools. */
export const buildInfo: Layer.Layer<BuildInfo, never, FileSystem.FileSystem | Relocate | ReservedSpace> = Layer.effect(
  BuildInfo,
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const { commit, directories, timestamp, version } = yield* Relocate
    const reserved = yield* ReservedSpace
    return BuildInfo.of({
      version,
      commit,
      timestamp,
      distribution: distributionIn(reserved),
      dependencies: Effect.gen(function*() {
        const { decodeDependencies } = yield* Effect.promise(() => import("./config/Dependencies.ts"))
        return yield* decodeDependencies(yield* fs.readFileString(`${directories.application}/tools.json`))
      }).pipe(Effect.mapError(unknownOrigin))
    })
  })
)

/**
 * Carries out a command of ours that only prints, or fails for one that there is not. In: its words, the first of which
 * begins with `fim-`. The answer says whether that was all; if not, the words are for {@link change}.
 */
export const read = Effect.fn("Cli.read")(function*(words: ReadonlyArray<string>) {
  const [name = "", ...rest] = words
  if (isConfigCommand(name)) return yield* runReading(name, rest)
  if (yield* showHelp(name, rest)) return true
  if (name === "fim-layer") {
    const { layer } = yield* Effect.promise(() => import("./layer/Layer.ts"))
    yield* layer(rest)
    return true
  }
  if (name === "fim-desktop") {
    const { desktop } = yield* Effect.promise(() => import("./desktop/Desktop.ts"))
    const { directories, image } = yield* Relocate
    yield* desktop(rest, { path: image, fim: `${directories.bin}/fim` })
    return true
  }
  if (name === "fim-instance") {
    const { instance } = yield* Effect.promise(() => import("./instance/Instance.ts"))
    yield* instance(rest)
    return true
  }
  if (name === "fim-recipe") return false
  return yield* new CommandError({ text: `Unknown command: ${name}`, context: "Invalid fim command" })
})

/** Carries out a command of ours that changes something, or runs a program. The answer is the exit code. */
export const change = Effect.fn("Cli.change")(function*(words: ReadonlyArray<string>) {
  const [name = "", ...rest] = words
  if (name === "fim-recipe") {
    const { recipe } = yield* Effect.promise(() => import("./recipe/Recipe.ts"))
    const { directories, image } = yield* Relocate
    return yield* recipe(rest, { path: image, fim: `${directories.bin}/fim` })
  }
  if (isConfigCommand(name)) yield* runChanging(name, rest)
  return 0
})
