/** The texts of `fim-help`, derived from the declared commands. */
import { type Command, optionText, synopsis } from "./Command.ts"

export const title = "Flatimage - Portable Linux Applications"

const columns = (rows: ReadonlyArray<readonly [left: string, right: string]>): ReadonlyArray<string> => {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}

/** Exit codes of a command of an image, with their meanings. */
export const exitCodesOf = <R>(command: Command<R>): ReadonlyArray<readonly [code: string, meaning: string]> => [
  ["0", "success"],
  ["125", "flatimage itself failed; the reason is on standard error"],
  ...command.exitCodes ?? []
]

/** Each form in which a command can be called, without the name of the program. */
export const callsOf = <R>(command: Command<R>): ReadonlyArray<string> => {
  const operations = (command.operations ?? []).filter(({ hidden }) => hidden === undefined)
  const plain = command.arguments === undefined && operations.length > 0
    ? []
    : [`${command.name} ${synopsis({ ...command, operations: [] })}`.trimEnd()]
  return [...plain, ...operations.map((each) => `${command.name} ${each.name} ${synopsis(each)}`.trimEnd())]
}

/** The help of a command, without a newline at its end. */
export const helpText = <R>(command: Command<R>): string => {
  const operations = (command.operations ?? []).filter(({ hidden }) => hidden === undefined)
  return [
    title,
    `${command.name}: ${command.summary}`,
    "",
    "Usage:",
    ...callsOf(command).map((call) => `  app ${call}`),
    "",
    "Description:",
    ...command.description.map((line) => `  ${line}`),
    ...(operations.length === 0
      ? []
      : ["", "Operations:", ...columns(operations.map(({ name, summary }) => [name, summary]))]),
    ...(command.options === undefined
      ? []
      : ["", "Options:", ...columns(command.options.map((option) => [optionText(option), option.summary]))]),
    "",
    "Examples:",
    ...command.examples.flatMap(({ command, description }) => [`  # ${description}`, `  app ${command}`]),
    "",
    "Exit codes:",
    ...columns(exitCodesOf(command))
  ].join("\n")
}

/** The text of `fim-help` without a topic. */
export const usageText = <R>(commands: ReadonlyArray<Command<R>>): string =>
  [
    title,
    "",
    "Usage:",
    "  app [argument...]           run the boot command",
    "  app <command> [argument...] run a command of flatimage",
    "",
    "Commands:",
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    "",
    "'app fim-help <topic>' and 'app <command> --help' show more."
  ].join("\n")
