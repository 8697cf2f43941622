/**
 * Runs our own commands, as opposed to programs: from the first argument to the effect. Each command is loaded when it is
 * called.
 */
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

/** How the image was made. The tool table is a file beside the tools. */
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

/** Services that describe the running image. */
export const imageInfo = Layer.merge(buildInfo, desktopImage)

/** The error for the name of an unknown command. */
export const unknownCommand = (name: string): CommandError => {
  const suggestion = didYouMean(name, commandNames)
  return new CommandError({
    text: `Unknown command: ${name}`,
    context: "Invalid fim command",
    ...(suggestion === undefined ? {} : { suggestion })
  })
}

/**
 * Prints the help of a command if its arguments request it.
 *
 * @param name the command, which begins with `fim-`
 * @param args its arguments
 * @returns whether the help was printed
 */
export const showHelp = Effect.fnUntraced(function*(name: string, args: ReadonlyArray<string>) {
  const topic = findTopic(name)
  if (topic === undefined || !asksForHelp(topic, args)) return false
  const { helpText } = yield* Effect.promise(() => import("./grammar/HelpText.ts"))
  yield* Console.log(helpText(topic))
  return true
})

/**
 * Parses the arguments of a command and runs its handler.
 *
 * @param command its declaration
 * @param args its arguments
 * @returns the exit code; fails with a `CommandError` for invalid arguments
 */
export const carryOut = Effect.fnUntraced(function*<R>(command: Command<R>, args: ReadonlyArray<string>) {
  const { input, operation } = yield* Effect.fromResult(parse(command, args))
  if (operation.handler === undefined) return yield* unknownCommand(command.name)
  const handler = yield* Effect.promise(operation.handler)
  // The declaration that the parser used for `input` also gives the handler its type.
  const code = yield* handler(input as never)
  return typeof code === "number" ? code : 0
})

/**
 * Runs a command that needs no program in the guest.
 *
 * @param args the name of the command, which begins with `fim-`, and its arguments
 * @returns the exit code; `undefined` for a command that {@link withGuest} runs
 */
export const withoutGuest = Effect.fn("Cli.withoutGuest")(function*(args: ReadonlyArray<string>) {
  const [name = "", ...rest] = args
  if (yield* showHelp(name, rest)) return 0
  const command = findImageCommand(name)
  if (command !== undefined) return yield* carryOut(command, rest)
  return findGuestCommand(name) === undefined ? yield* unknownCommand(name) : undefined
})

/**
 * Runs a command that may run a program in the guest.
 *
 * @param args the name of the command and its arguments
 * @returns the exit code
 */
export const withGuest = Effect.fn("Cli.withGuest")(function*(args: ReadonlyArray<string>) {
  const [name = "", ...rest] = args
  const command = findGuestCommand(name)
  return yield* command === undefined ? unknownCommand(name) : carryOut(command, rest)
})
