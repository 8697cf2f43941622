/**
 * The grammar of a command line, as plain data. Each command is declared once in this form. Its parser, help, man page,
 * shell completion, suggestions for typos and the `effect/cli` tree are derived from it.
 */
import type * as Effect from "effect/Effect"

/** The kind of a value, which selects how a shell completes it. */
export type Subject = "directory" | "file" | "guest program" | "host program" | "image command" | "instance"

/** A positional argument. */
export interface Argument {
  /** The key of the value in the handler's input. */
  readonly name: string
  readonly summary?: string
  /** The name in a synopsis, if it differs. */
  readonly shown?: string
  readonly about?: Subject
  /** The only valid values, in lower case. The user may type them in any case. */
  readonly choices?: ReadonlyArray<string>
  /** A pattern that every value must match. */
  readonly pattern?: RegExp
  /**
   * `list`: one argument, separated by commas. `repeated`: all remaining arguments, at least one. `rest`: all remaining
   * arguments, or none; they belong to a program.
   */
  readonly as?: "list" | "repeated" | "rest"
  readonly optional?: true
  /** An empty argument counts as a missing one. */
  readonly nonEmpty?: true
  /** An item of a list that must be the only one, and the error if it is not. */
  readonly alone?: { readonly value: string; readonly error: string }
  /** Values with an error text of their own. */
  readonly refused?: Readonly<Record<string, string>>
  /** The error for a missing value. */
  readonly missing?: string
  /** The error for an invalid value; `%s` is replaced by the value. */
  readonly invalid?: string
  /** The error for an empty item of a list. */
  readonly empty?: string
  /** A description of valid values. */
  readonly hint?: string
}

/** A named option, `--name`. Without `value` and `choices` it is a switch. */
export interface Option {
  readonly name: string
  /** One letter. */
  readonly alias?: string
  readonly summary: string
  /** The placeholder of the value in a synopsis. */
  readonly value?: string
  readonly choices?: ReadonlyArray<string>
  readonly about?: Subject
  /** The default of an option whose value is a whole number. */
  readonly number?: number
  /** The option may be given several times; its value is a list. */
  readonly repeated?: true
}

/** An example of use. */
export interface Example {
  /** The arguments after the name of the program. */
  readonly command: string
  readonly description: string
}

/** The error type of every handler. */
export interface Failure {
  readonly message: string
}

/** Runs a command. The exit code is 0 unless it returns another one. */
export type Handler<Input, R> = (input: Input) => Effect.Effect<number | void, Failure, R>

/** A command, or an operation of a command. `R` are the services that its handlers need. */
export interface Operation<R> {
  readonly name: string
  readonly summary: string
  readonly arguments?: ReadonlyArray<Argument>
  readonly options?: ReadonlyArray<Option>
  /**
   * The operations that the next argument selects. An argument that names none of them is a value, if `arguments` are
   * declared too.
   */
  readonly operations?: ReadonlyArray<Operation<R>>
  /** The operation that applies when the next argument selects none. */
  readonly default?: string
  /** The errors if the name of an operation is missing, and if it is unknown. */
  readonly missing?: string
  readonly unknown?: string
  /** A description of what is valid, if `missing` does not contain it. */
  readonly hint?: string
  /** The name in `Trailing arguments for NAME`; by default that of the command. */
  readonly trailing?: string
  /** The error for too many arguments, if it is not the usual one. */
  readonly tooMany?: string
  /** Another spelling: accepted, but not shown in help and completion. */
  readonly hidden?: true
  /** Loads the handler. Absent if the launcher handles the operation itself, or if an operation must be selected. */
  readonly handler?: () => Promise<Handler<never, R>>
}

/** A command of an image, `fim-NAME`, or a subcommand of `flatimage`. */
export interface Command<R> extends Operation<R> {
  /** Lines of at most 116 characters. */
  readonly description: ReadonlyArray<string>
  readonly examples: ReadonlyArray<Example>
  /** Exit codes other than 0 and 125. */
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

/** The input of a handler: values by name. */
export type Input<A extends ReadonlyArray<Argument>, O extends ReadonlyArray<Option>> =
  & { readonly [Each in A[number] as Each["name"]]: ValueOf<Each> }
  & { readonly [Each in O[number] as Each["name"]]: OptionValue<Each> }

/** Declares an operation. Its arguments and options determine the type of the handler's input. */
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

/** `--json`, an option of all operations that print settings. */
export const json = { name: "json", summary: "print JSON" } as const

/** The operation with this name, in any case. */
export const findOperation = <R>(of: Pick<Operation<R>, "operations">, arg: string): Operation<R> | undefined => {
  const name = arg.toLowerCase()
  return of.operations?.find((operation) => operation.name === name)
}

/**
 * The operation that applies when the next argument selects none.
 *
 * @param args the remaining arguments; each must be a switch of that operation
 * @returns `undefined` if an operation must be selected
 */
export const defaultOperation = <R>(
  of: Pick<Operation<R>, "operations" | "default">,
  args: ReadonlyArray<string>
): Operation<R> | undefined => {
  const operation = of.default === undefined ? undefined : findOperation(of, of.default)
  return args.every((arg) => operation?.options?.some(({ name }) => arg === `--${name}`)) ? operation : undefined
}

const bracketed = (argument: Argument): string => {
  const name = argument.shown ?? (argument.as === undefined && argument.choices !== undefined
    ? argument.choices.join("|")
    : argument.name)
  if (argument.as === "rest") return `[${name}...]`
  const inside = argument.as === "list" && argument.shown === undefined ? `${name},...` : name
  return `${argument.optional ? `[${inside}]` : `<${inside}>`}${argument.as === "repeated" ? "..." : ""}`
}

/** An option with the placeholder of its value. */
export const optionText = ({ choices, name, value }: Option): string =>
  choices === undefined && value === undefined ? `--${name}` : `--${name} ${value ?? choices?.join("|")}`

/** The synopsis of an operation without its name, as help shows it. */
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
