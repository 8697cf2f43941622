/** The configuration commands as the parser knows them. */
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { CommandError, usageError } from "./CommandError.ts"
import { type ConfigCommandName, configCommandNames, runHandler } from "./Dispatch.ts"
import { findTopic } from "./HelpTopics.ts"

/** The words stay as they are typed: which of them are data, and what is said about wrong ones, the command decides. */
const words = Argument.String("words").pipe(
  Argument.withDescription("an operation and its data"),
  Argument.variadic()
)

const make = (name: ConfigCommandName) => {
  const topic = findTopic(name)
  return Command.make(name, { words }, (input) => runHandler(name, input.words)).pipe(
    Command.withDescription(topic?.description.join(" ") ?? ""),
    Command.withShortDescription(topic?.summary ?? ""),
    Command.withExamples(
      topic?.examples.map(({ command, description }) => ({ command: `app ${command}`, description })) ?? []
    )
  )
}

export const commands = configCommandNames.map(make)

const byName = new Map(commands.map((command) => [command.name, command]))

/** Parses and runs. The words are given as data, so that `fim-boot set ls -la` needs no `--`. */
export const runCommand = Effect.fnUntraced(function*(name: ConfigCommandName, args: ReadonlyArray<string>) {
  const command = byName.get(name)
  if (command === undefined) return yield* usageError("Invalid fim command")
  yield* Command.runWith(command, { version: "", renderErrors: false })(["--", ...args]).pipe(
    Effect.catchIf(
      CliError.isCliError,
      (error) => Effect.fail(new CommandError({ text: error.message, context: "Could not parse arguments" }))
    )
  )
})
