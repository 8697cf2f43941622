/** fim-help: texts about every command, and completion for shells. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Host } from "../../relocate/Host.ts"
import { trailingError, usageError } from "./CommandError.ts"
import { findTopic, type Topic, topics } from "./HelpTopics.ts"

export const title = "Flatimage - Portable Linux Applications"

const columns = (rows: ReadonlyArray<readonly [left: string, right: string]>): ReadonlyArray<string> => {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}

/** The text of a topic, without a newline at its end. */
export const helpText = (topic: Topic): string => {
  const command = `app fim-${topic.name}`
  const calls = topic.operations.map(({ name, words }) => `${command} ${name} ${words}`.trimEnd())
  const exitCodes: ReadonlyArray<readonly [string, string]> = [
    ["0", "success"],
    ["125", "flatimage itself failed; the reason is on standard error"],
    ...topic.exitCodes ?? []
  ]
  return [
    title,
    `fim-${topic.name}: ${topic.summary}`,
    "",
    "Usage:",
    ...[...(topic.words === undefined ? [] : [`${command} ${topic.words}`]), ...calls].map((call) => `  ${call}`),
    "",
    "Description:",
    ...topic.description.map((line) => `  ${line}`),
    ...(topic.operations.length === 0
      ? []
      : ["", "Operations:", ...columns(topic.operations.map(({ name, summary }) => [name, summary]))]),
    "",
    "Examples:",
    ...topic.examples.flatMap(({ command, description }) => [`  # ${description}`, `  app ${command}`]),
    "",
    "Exit codes:",
    ...columns(exitCodes)
  ].join("\n")
}

/** What `fim-help` alone prints. */
export const usageText = [
  title,
  "",
  "Usage:",
  "  app [argument...]           run the boot command",
  "  app <command> [word...]     a command of flatimage",
  "",
  "Commands:",
  ...columns(topics.map(({ name, summary }) => [`fim-${name}`, summary])),
  "",
  "'app fim-help <topic>' and 'app <command> --help' tell more."
].join("\n")

const shells = ["bash", "zsh", "fish"] as const

const completion = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  const [shellWord = "", program = "app.flatimage", ...trailing] = words
  const shell = shells.find((known) => known === shellWord.toLowerCase())
  if (shell === undefined) return yield* usageError("Invalid shell for completion (<bash|zsh|fish>)")
  if (trailing.length > 0) return yield* trailingError("fim-help", trailing)
  // The name becomes part of a script.
  if (!/^[A-Za-z0-9._+-]+$/.test(program)) return yield* usageError(`Invalid program name '${program}' for completion`)
  const { completionScript } = yield* Effect.promise(() => import("./Completion.ts"))
  yield* Console.log(completionScript(shell, program))
})

const appArmor = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  if (words.length > 0) return yield* trailingError("fim-help", words)
  const { environment } = yield* Host
  const { appArmorProfile, isPlainPath } = yield* Effect.promise(() => import("./AppArmor.ts"))
  const directory = environment["FIM_DIR_GLOBAL"]
  if (directory !== undefined && directory !== "" && !isPlainPath(directory)) {
    return yield* usageError(`FIM_DIR_GLOBAL is '${directory}', which a profile of AppArmor cannot name`)
  }
  yield* Console.log(appArmorProfile(directory === "" ? undefined : directory))
})

export const help = Effect.fn("fim-help")(function*(args: ReadonlyArray<string>) {
  const [word, ...rest] = args[0] === "--" ? args.slice(1) : args
  if (word === undefined) return yield* Console.error(usageText)
  if (word.toLowerCase() === "completion") return yield* completion(rest)
  if (word.toLowerCase() === "apparmor") return yield* appArmor(rest)
  const topic = findTopic(word)
  if (topic === undefined) return yield* usageError(`Invalid argument for help command: ${word}`)
  if (rest.length > 0) return yield* trailingError("fim-help", rest)
  yield* Console.log(helpText(topic))
})
