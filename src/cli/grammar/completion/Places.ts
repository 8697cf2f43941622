/** What can be at each position of a command line, for all shells. A position is named by the arguments that lead to it. */
import type { Argument, Command, Operation, Option } from "../Command.ts"

/** A value to offer. */
interface Candidate {
  readonly name: string
  readonly summary: string
  /** In a list it must be the only item. */
  readonly alone?: boolean
}

/** What can be at one position. */
export interface Slot {
  /**
   * `words` and `list` offer `candidates`; items of a `list` are separated by commas. `guest` is a program in the guest or
   * its arguments. `image` is a command of an image, whose own places follow. A `text` has no candidates.
   */
  readonly kind: "words" | "list" | "file" | "directory" | "guest" | "host" | "instance" | "image" | "text"
  readonly candidates: ReadonlyArray<Candidate>
  readonly repeated: boolean
}

interface Switch {
  /** Such as `--quiet` and `-q`. */
  readonly names: ReadonlyArray<string>
  readonly summary: string
  /** The slot of its value; `undefined` for a switch. */
  readonly value: Slot | undefined
}

/** A command or operation, and what can follow it. */
export interface Place {
  /** The program, then commands and operations. */
  readonly path: string
  readonly operations: ReadonlyArray<Candidate>
  readonly options: ReadonlyArray<Switch>
  readonly slots: ReadonlyArray<Slot>
}

/** The first element of the path of all places of an image. */
export const imageRoot = "app"

const slotOf = (
  { about, alone, as, choices }: Pick<Argument, "about" | "alone" | "as" | "choices">,
  topics: ReadonlyArray<Candidate>
): Slot => {
  const repeated = as === "repeated" || as === "rest"
  if (choices !== undefined) {
    const candidates = choices.map((name) => ({ name, summary: "", alone: name === alone?.value }))
    return { kind: as === "list" ? "list" : "words", candidates, repeated }
  }
  if (about === "image command" && !repeated) return { kind: "words", candidates: topics, repeated }
  const kind = about === "image command"
    ? "image"
    : about === "guest program" || as === "rest"
    ? "guest"
    : about === "host program"
    ? "host"
    : about ?? "text"
  return { kind, candidates: [], repeated }
}

const switchOf = (option: Option): Switch => ({
  names: [`--${option.name}`, ...(option.alias === undefined ? [] : [`-${option.alias}`])],
  summary: option.summary,
  value: (option.value ?? option.choices) === undefined ? undefined : slotOf(option, [])
})

const help: Switch = { names: ["--help"], summary: "show help", value: undefined }

const placesAt = <R>(
  operation: Operation<R>,
  path: string,
  topics: ReadonlyArray<Candidate>,
  common: ReadonlyArray<Switch> = [help]
): ReadonlyArray<Place> => {
  const shown = (operation.operations ?? []).filter(({ hidden }) => hidden === undefined)
  return [
    {
      path,
      operations: shown.map(({ name, summary }) => ({ name, summary })),
      options: [...(operation.options ?? []).map(switchOf), ...common],
      slots: (operation.arguments ?? []).map((argument) => slotOf(argument, topics))
    },
    ...shown.flatMap((each) => placesAt(each, `${path} ${each.name}`, topics))
  ]
}

/** All places of a program, beginning with the program itself. */
export const placesOf = <R>(program: string, commands: ReadonlyArray<Command<R>>): ReadonlyArray<Place> => {
  const topics = commands.map(({ name, summary }) => ({ name: name.replace(/^fim-/, ""), summary }))
  const root = { name: program, summary: "", operations: commands }
  if (program !== imageRoot) return placesAt(root, program, topics)
  // Options before a command are those of the boot command.
  return placesAt({ ...root, arguments: [{ name: "arguments", as: "rest" }] }, program, topics, [])
}

/**
 * A slot in the form that scripts parse: `list all! audio …`. An asterisk after the kind means that all further arguments
 * are of this kind. An exclamation mark means that an item must be the only one of its list.
 */
export const slotText = ({ candidates, kind, repeated }: Slot): string =>
  [`${kind}${repeated ? "*" : ""}`, ...candidates.map(({ alone, name }) => alone ? `${name}!` : name)].join(" ")

/** The name of a shell function for this program. */
export const functionName = (program: string): string => `_flatimage_${program.replace(/[^A-Za-z0-9]/g, "_")}`
