/** Completion scripts, from the same descriptions as the help. */
import * as Completions from "effect/cli/Completions"
import { type Operation, topics } from "./HelpTopics.ts"

type Descriptor = Completions.CommandDescriptor

/** `<a|b|c> <d>` as arguments: a word with bars is a choice. */
const argumentsOf = (operation: Operation): Descriptor["arguments"] =>
  [...operation.words.matchAll(/<([^>]*)>/g)].map(([, word = ""]) => ({
    name: word,
    description: undefined,
    required: true,
    variadic: operation.words.includes("..."),
    type: /^[a-z]+(\|[a-z]+)+$/.test(word) ? { _tag: "Choice", values: word.split("|") } : { _tag: "String" }
  }))

const descriptorOf = (program: string): Descriptor => ({
  name: program,
  description: undefined,
  flags: [],
  arguments: [],
  subcommands: topics.map((topic) => ({
    name: `fim-${topic.name}`,
    description: topic.summary,
    flags: [{ name: "help", aliases: ["h"], description: "tell more", type: { _tag: "Boolean" }, negation: false }],
    arguments: topic.name === "help"
      ? [{
        name: "topic",
        description: undefined,
        required: false,
        variadic: false,
        type: { _tag: "Choice", values: topics.map(({ name }) => name) }
      }]
      : [],
    subcommands: topic.operations.map((operation) => ({
      name: operation.name,
      description: operation.summary,
      flags: operation.json
        ? [{ name: "json", aliases: [], description: "print JSON", type: { _tag: "Boolean" }, negation: false }]
        : [],
      arguments: argumentsOf(operation),
      subcommands: []
    }))
  }))
})

export const completionScript = (shell: Completions.Shell, program: string): string =>
  Completions.generate(program, shell, descriptorOf(program)).trimEnd()
    // The comment at the top of the script says how to get it, in the parser's own words.
    .replaceAll(`${program} --completions ${shell}`, `${program} fim-help completion ${shell}`)
