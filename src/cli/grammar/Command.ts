/**
 * What a command line may say, as plain data. Each command is declared once, in this form: its parser, help, man page, shell
 * completion, suggestions for typos and the `effect/cli` tree are all made of it.
 */
import type * as Effect from "effect/Effect"

/** What a value stands for, which decides how a shell completes it. */
export type Subject = "directory" | "file" | "guest program" | "host program" | "image command" | "instance"

/** A value by its position. */
export interface Argument {
  /** Its key in what a handler gets. */
  readonly name: string
  readonly summary?: string
  /** Its name in a synopsis, where that is another one. */
  readonly shown?: string
  readonly about?: Subject
  /** The only values there are, in lower case. They may be typed in any case. */
  readonly choices?: ReadonlyArray<string>
  /** What a value has to match. */
  readonly pattern?: RegExp
  /**
   * `list`: one word with commas. `repeated`: all words that follow, at least one. `rest`: the same, or none; it
   * belongs to a program.
   */
  readonly as?: "list" | "repeated" | "rest"
  readonly optional?: true
  /** An empty word counts as no word. */
  readonly nonEmpty?: true
  /** A word of a list that may not stand beside others, and the error if it does. */
  readonly alone?: { readonly word: string; readonly error: string }
  /** Words with an error text of their own. */
  readonly refused?: Readonly<Record<string, string>>
  /** The error where there is no value. */
  readonly missing?: string
  /** The error for a value that is not valid; `%s` becomes the value. */
  readonly invalid?: string
  /** The error for an empty word in a list. */
  readonly empty?: string
  /** What would be valid. */
  readonly hint?: string
}

/** A value by its name, `--name`. Without `value` and `choices` it is a switch. */
export interface Option {
  readonly name: string
  /** One letter. */
  readonly alias?: string
  readonly summary: string
  /** Stands for the value in a synopsis. */
  readonly value?: string
  readonly choices?: ReadonlyArray<string>
  readonly about?: Subject
  /** The value is a whole number, and this one where none is given. */
  readonly number?: number
  /** It may be given several times; the value is a list. */
  readonly repeated?: true
}

/** An example of use. */
export interface Example {
  /** What to type, behind the name of the program. */
  readonly command: string
  readonly description: string
}

/** What any failure of a command has. */
export interface Failure {
  readonly message: string
}

/** What carries a command out. Its exit code is 0 unless it returns another. */
export type Handler<Input, R> = (input: Input) => Effect.Effect<number | void, Failure, R>

/** A command, or a part of one that is chosen by a word. `R` are the services that its handlers need. */
export interface Operation<R> {
  readonly name: string
  readonly summary: string
  readonly arguments?: ReadonlyArray<Argument>
  readonly options?: ReadonlyArray<Option>
  /** What the next word chooses from. A word that is none of them is an argument where there are arguments too. */
  readonly operations?: ReadonlyArray<Operation<R>>
  /** The operation that is meant where no word chooses one. */
  readonly bare?: string
  /** The errors where the word that chooses is missing, and where it is not an operation. */
  readonly missing?: string
  readonly unknown?: string
  /** What would be valid, where `missing` does not say all. */
  readonly hint?: string
  /** The name in `Trailing arguments for NAME`, by default that of the command. */
  readonly trailing?: string
  /** The error for too many words, where it is another one. */
  readonly tooMany?: string
  /** Another spelling: accepted, but not in help and completion. */
  readonly hidden?: true
  /** Loads the handler. Absent where the launcher handles the operation itself, or where the next word chooses another. */
  readonly handler?: () => Promise<Handler<never, R>>
}

/** A command of an image, `fim-NAME`, or a subcommand of `flatimage`. */
export interface Command<R> extends Operation<R> {
  /** Lines of at most 116 characters. */
  readonly description: ReadonlyArray<string>
  readonly examples: ReadonlyArray<Example>
  /** Beside 0 and 125. */
  readonly exitCodes?: ReadonlyArray<readonly [code: string, meaning: string]>
  readonly operations?: ReadonlyArray<Operation<R>>
}

/** Whether an operation is a whole command, with a description and examples. */
export const isCommand = <R>(of: Operation<R>): of is Command<R> => "description" in of

type Word<A> = A extends { readonly choices: ReadonlyArray<infer W> } ? W : string

type ValueOf<A> = A extends { readonly as: string } ? ReadonlyArray<Word<A>>
  : A extends { readonly optional: true } ? Word<A> | undefined
  : Word<A>

type OptionValue<O> = O extends { readonly number: number } ? number
  : O extends { readonly repeated: true } ? ReadonlyArray<string>
  : O extends { readonly choices: ReadonlyArray<infer W> } ? W | undefined
  : O extends { readonly value: string } ? string | undefined
  : boolean

/** What a handler gets: the values by name. */
export type Input<A extends ReadonlyArray<Argument>, O extends ReadonlyArray<Option>> =
  & { readonly [Each in A[number] as Each["name"]]: ValueOf<Each> }
  & { readonly [Each in O[number] as Each["name"]]: OptionValue<Each> }

/** Declares an operation. The types of its arguments and options are those of the values that its handler gets. */
export const operation = <
  R = never,
  const A extends ReadonlyArray<Argument> = readonly [],
  const O extends ReadonlyArray<Option> = readonly []
>(
  declared: Omit<Operation<R>, "arguments" | "options" | "handler" | "operations"> & {
    readonly arguments?: A
    readonly options?: O
    readonly handler?: () => Promise<Handler<Input<A, O>, R>>
  }
): Operation<R> => declared

/** `--json`, of all operations that print settings. */
export const json = { name: "json", summary: "print JSON" } as const

/** The operation with this name, in any case. */
export const findOperation = <R>(of: Pick<Operation<R>, "operations">, word: string): Operation<R> | undefined => {
  const name = word.toLowerCase()
  return of.operations?.find((operation) => operation.name === name)
}

/**
 * The operation that is meant where no word chooses one.
 *
 * @param words what follows; if there are any, they have to be switches of that operation
 */
export const bareOperation = <R>(
  of: Pick<Operation<R>, "operations" | "bare">,
  words: ReadonlyArray<string>
): Operation<R> | undefined => {
  const bare = of.bare === undefined ? undefined : findOperation(of, of.bare)
  return words.every((word) => bare?.options?.some(({ name }) => word === `--${name}`)) ? bare : undefined
}

const bracketed = (argument: Argument): string => {
  const name = argument.shown ?? (argument.as === undefined && argument.choices !== undefined
    ? argument.choices.join("|")
    : argument.name)
  if (argument.as === "rest") return `[${name}...]`
  const inside = argument.as === "list" && argument.shown === undefined ? `${name},...` : name
  return `${argument.optional ? `[${inside}]` : `<${inside}>`}${argument.as === "repeated" ? "..." : ""}`
}

/** An option with what stands for its value. */
export const optionText = ({ choices, name, value }: Option): string =>
  choices === undefined && value === undefined ? `--${name}` : `--${name} ${value ?? choices?.join("|")}`

/** The words behind the name of an operation, as help shows them. */
export const synopsis = <R>({ arguments: list = [], operations = [], options = [] }: Operation<R>): string => {
  const switches = options.map(optionText)
  const shown = operations.filter(({ hidden }) => hidden === undefined)
  const chosen = shown.length === 0 ? [] : [`<${shown.map(({ name }) => name).join("|")}>`]
  const behind = new Set(
    shown.flatMap((each) => each.arguments ?? []).map((argument) => bracketed({ ...argument, optional: true }))
  )
  return [
    ...(switches.length === 0 ? [] : [switches.length > 3 ? "[option...]" : `[${switches.join("|")}]`]),
    ...chosen,
    ...list.map(bracketed),
    ...behind
  ].join(" ")
}
