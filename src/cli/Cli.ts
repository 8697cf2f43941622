/** Our own commands, as opposed to programs: from the first word to what it does. Each is loaded when it is called. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { DesktopImage } from "../desktop/DesktopImage.ts"
import { ReservedSpace } from "../image/ReservedSpace.ts"
import { Relocate } from "../relocate/Relocate.ts"
import { commandNames, findGuestCommand, findImageCommand, findTopic } from "./commands/ImageCommands.ts"
import { BuildInfo, distributionIn, unknownOrigin } from "./config/BuildInfo.ts"
import { CommandError } from "./config/CommandError.ts"
import type { Command } from "./grammar/Command.ts"
import { asksForHelp, parse } from "./grammar/Parse.ts"
import { didYouMean } from "./grammar/Suggest.ts"

/** What the image says about how it was made. The tool table is a file beside the tools. */
const buildInfo: Layer.Layer<BuildInfo, never, FileSystem.FileSystem | Relocate | ReservedSpace> = Layer.effect(
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

const desktopImage: Layer.Layer<DesktopImage, never, Relocate> = Layer.effect(
  DesktopImage,
  Effect.map(Relocate, ({ directories, image }) => ({ path: image, fim: `${directories.bin}/fim` }))
)

/** The image that runs, as commands know it. */
export const imageInfo = Layer.merge(buildInfo, desktopImage)

/** The error of a name that no command has. */
export const unknownCommand = (name: string): CommandError => {
  const suggestion = didYouMean(name, commandNames)
  return new CommandError({
    text: `Unknown command: ${name}`,
    context: "Invalid fim command",
    ...(suggestion === undefined ? {} : { suggestion })
  })
}

/**
 * Prints the help of a command if its words ask for it.
 *
 * @returns whether they did
 */
export const showHelp = Effect.fnUntraced(function*(name: string, words: ReadonlyArray<string>) {
  const topic = findTopic(name)
  if (topic === undefined || !asksForHelp(topic, words)) return false
  const { helpText } = yield* Effect.promise(() => import("./grammar/HelpText.ts"))
  yield* Console.log(helpText(topic))
  return true
})

/**
 * Parses the words of a command and carries it out.
 *
 * @returns the exit code
 */
export const carryOut = Effect.fnUntraced(function*<R>(command: Command<R>, words: ReadonlyArray<string>) {
  const { input, operation } = yield* Effect.fromResult(parse(command, words))
  if (operation.handler === undefined) return yield* unknownCommand(command.name)
  const handler = yield* Effect.promise(operation.handler)
  // The parser has made `input` by the same declaration that the type of the handler is made of.
  const code = yield* handler(input as never)
  return typeof code === "number" ? code : 0
})

/**
 * Carries out a command that needs no program in the guest.
 *
 * @param words the command, whose name begins with `fim-`, and what follows it
 * @returns the exit code; nothing for a command that {@link withGuest} carries out
 */
export const withoutGuest = Effect.fn("Cli.withoutGuest")(function*(words: ReadonlyArray<string>) {
  const [name = "", ...rest] = words
  if (yield* showHelp(name, rest)) return 0
  const command = findImageCommand(name)
  if (command !== undefined) return yield* carryOut(command, rest)
  return findGuestCommand(name) === undefined ? yield* unknownCommand(name) : undefined
})

/** Carries out a command that may run a program in the guest. Returns the exit code. */
export const withGuest = Effect.fn("Cli.withGuest")(function*(words: ReadonlyArray<string>) {
  const [name = "", ...rest] = words
  const command = findGuestCommand(name)
  return yield* command === undefined ? unknownCommand(name) : carryOut(command, rest)
})
