/** The parser of an image's commands: from arguments to values, by the declaration of a command. It loads nothing. */
import * as Result from "effect/Result"
import { type CommandError, quoteList, usageError } from "../config/CommandError.ts"
import { type Argument, type Command, defaultOperation, findOperation, type Operation, type Option } from "./Command.ts"
import { didYouMean } from "./Suggest.ts"

/** A command with valid arguments. */
export interface Call<R> {
  readonly operation: Operation<R>
  /** Values by the names of arguments and options. */
  readonly input: Readonly<Record<string, unknown>>
}

type Parsed<A> = Result.Result<A, CommandError>

/** Whether the arguments request the help of a command: `-h` or `--help` before its data. */
export const asksForHelp = <R>(command: Operation<R>, args: ReadonlyArray<string>): boolean => {
  let depth = 0
  let at: Operation<R> | undefined = command
  while (at !== undefined && args[depth] !== undefined) at = findOperation(at, args[depth++] ?? "")
  const end = args.indexOf("--")
  return args.slice(0, end < 0 ? undefined : end).slice(0, Math.max(2, depth)).some((arg) =>
    arg === "--help" || arg === "-h"
  )
}

const visible = <R>(of: Operation<R>): ReadonlyArray<string> =>
  (of.operations ?? []).filter(({ hidden }) => hidden === undefined).map(({ name }) => name)

/** Parses one value of an argument. */
const parseValue = (argument: Argument, arg: string): Parsed<string> => {
  const lower = arg.toLowerCase()
  const refused = argument.refused?.[lower]
  if (refused !== undefined) return Result.fail(usageError(refused))
  const fail = (text: string, hint?: string) =>
    Result.fail(usageError(text.replace("%s", () => arg), hint, didYouMean(arg, argument.choices ?? [])))
  if (arg === "" && argument.empty !== undefined) return fail(argument.empty)
  if (argument.choices !== undefined) {
    if (argument.choices.includes(lower)) return Result.succeed(lower)
    return fail(
      argument.invalid ?? `Invalid ${argument.name} '%s'`,
      argument.hint ?? `'${arg}' is not one of ${quoteList(argument.choices)}`
    )
  }
  if (argument.pattern?.test(arg) === false) {
    return fail(argument.invalid ?? `Invalid ${argument.name} '%s'`, argument.hint)
  }
  return Result.succeed(arg)
}

const parseEach = (argument: Argument, args: ReadonlyArray<string>): Parsed<ReadonlyArray<string>> => {
  const values: Array<string> = []
  for (const arg of args) {
    const value = parseValue(argument, arg)
    if (Result.isFailure(value)) return Result.fail(value.failure)
    values.push(value.success)
  }
  const { alone } = argument
  if (alone !== undefined && values.length > 1 && values.includes(alone.value)) {
    return Result.fail(usageError(alone.error))
  }
  return Result.succeed(values)
}

/** Parses one argument: its value, and how many of the given arguments it takes. */
const parseArgument = (argument: Argument, args: ReadonlyArray<string>): Parsed<readonly [unknown, number]> => {
  if (argument.as === "rest") return Result.succeed([args, args.length])
  const [arg] = args
  if (arg === undefined || (arg === "" && argument.nonEmpty)) {
    if (argument.optional && arg === undefined) {
      return Result.succeed([argument.as === undefined ? undefined : [], 0])
    }
    return Result.fail(usageError(argument.missing ?? `Missing <${argument.name}>`))
  }
  if (argument.as === "repeated") {
    return Result.map(parseEach(argument, args), (values) => [values, args.length])
  }
  if (argument.as === "list") return Result.map(parseEach(argument, arg.split(",")), (values) => [values, 1])
  return Result.map(parseValue(argument, arg), (value) => [value, 1])
}

/** What stands for an option on a command line. */
const names = ({ alias, name }: Option): ReadonlyArray<string> => [
  `--${name}`,
  ...(alias === undefined ? [] : [`-${alias}`])
]

/** Separates data from switches. Data begins at the first `--`; without declared switches, at the first argument. */
const separate = <R>(
  { options = [] }: Operation<R>,
  args: ReadonlyArray<string>
): { readonly data: ReadonlyArray<string>; readonly given: ReadonlySet<string> } => {
  if (options.length === 0) return { data: args[0] === "--" ? args.slice(1) : args, given: new Set() }
  const end = args.indexOf("--")
  const before = end < 0 ? args : args.slice(0, end)
  const named = (arg: string) => options.find((option) => names(option).includes(arg))?.name
  const given = new Set(before.map(named).filter((name) => name !== undefined))
  const data = before.filter((arg) => named(arg) === undefined)
  return { data: [...data, ...(end < 0 ? [] : args.slice(end + 1))], given }
}

/**
 * Separates options with values from the data. The value is the next argument, or follows `=`. Arguments that belong to a program
 * begin after the options.
 */
const separateValues = (
  { arguments: list = [], options = [] }: Pick<Operation<never>, "arguments" | "options">,
  args: ReadonlyArray<string>,
  command: string
) => {
  const belongsToProgram = list.some(({ as }) => as === "rest")
  const data: Array<string> = []
  const input: Record<string, unknown> = {}
  for (const { name, repeated, value } of options) input[name] = repeated ? [] : value === undefined ? false : undefined
  let at = 0
  for (; at < args.length; at++) {
    const arg = args[at] ?? ""
    if (arg === "--") {
      at++
      break
    }
    if (!arg.startsWith("-") || arg === "-") {
      if (belongsToProgram) break
      data.push(arg)
      continue
    }
    const equals = arg.indexOf("=")
    const given = equals < 0 ? arg : arg.slice(0, equals)
    const option = options.find((option) => names(option).includes(given))
    if (option === undefined) {
      return Result.fail(
        usageError(
          `Unknown option '${given}' of ${command}`,
          belongsToProgram
            ? `Options stand in front of the program; ${command} --help lists them`
            : `${command} --help lists them`,
          didYouMean(given, options.map(({ name }) => `--${name}`))
        )
      )
    }
    if (option.value === undefined) {
      if (equals >= 0) return Result.fail(usageError(`Option '${given}' has no value`))
      input[option.name] = true
      continue
    }
    const value = equals < 0 ? args[++at] : arg.slice(equals + 1)
    if (value === undefined) return Result.fail(usageError(`Option '${given}' needs a value: ${option.value}`))
    input[option.name] = option.repeated ? [...input[option.name] as ReadonlyArray<string>, value] : value
  }
  return Result.succeed({ data: [...data, ...args.slice(at)], input })
}

/** A hint for lists that were typed with spaces: values are separated by commas. */
const listHint = (list: ReadonlyArray<Argument>, data: ReadonlyArray<string>): string | undefined =>
  list.some(({ as }) => as === "list") ? `a list has commas and no spaces: ${data.join(",")}` : undefined

const separated = <R>(
  operation: Operation<R>,
  args: ReadonlyArray<string>,
  command: string
): Parsed<{ readonly data: ReadonlyArray<string>; readonly input: Record<string, unknown> }> => {
  const { options = [] } = operation
  if (options.some(({ value }) => value !== undefined)) return separateValues(operation, args, command)
  const { data, given } = separate(operation, args)
  return Result.succeed({
    data,
    input: Object.fromEntries(options.map(({ name }) => [name, given.has(name)]))
  })
}

const parseLeaf = <R>(operation: Operation<R>, args: ReadonlyArray<string>, command: string): Parsed<Call<R>> => {
  const parts = separated(operation, args, command)
  if (Result.isFailure(parts)) return Result.fail(parts.failure)
  const { data, input } = parts.success
  let left = data
  for (const argument of operation.arguments ?? []) {
    const value = parseArgument(argument, left)
    if (Result.isFailure(value)) return Result.fail(value.failure)
    const [parsed, taken] = value.success
    input[argument.name] = parsed
    left = left.slice(taken)
  }
  if (left.length === 0) return Result.succeed({ operation, input })
  const trailing = `Trailing arguments for ${operation.trailing ?? command}: ${quoteList(left)}`
  return Result.fail(
    operation.tooMany === undefined
      ? usageError(trailing, listHint(operation.arguments ?? [], data))
      : usageError(operation.tooMany, trailing)
  )
}

const parseAt = <R>(at: Operation<R>, args: ReadonlyArray<string>, path: ReadonlyArray<string>): Parsed<Call<R>> => {
  const command = path[0] ?? ""
  if (at.operations === undefined) return parseLeaf(at, args, command)
  const [first, second] = args
  // A switch may be before the operation that takes it.
  const behind = first?.startsWith("--") && second !== undefined ? findOperation(at, second) : undefined
  if (behind?.options?.some(({ name }) => first === `--${name}`)) {
    return parseAt(behind, [first ?? "", ...args.slice(2)], [...path, behind.name])
  }
  const chosen = first === undefined ? undefined : findOperation(at, first)
  if (chosen !== undefined) return parseAt(chosen, args.slice(1), [...path, chosen.name])
  if (at.arguments !== undefined) return parseLeaf(at, args, command)
  const chosenByDefault = defaultOperation(at, args)
  if (chosenByDefault !== undefined) return parseAt(chosenByDefault, args, [...path, chosenByDefault.name])
  if (first === undefined) return Result.fail(usageError(at.missing ?? `Missing operation for '${command}'`, at.hint))
  return Result.fail(
    usageError(
      at.unknown ?? `Invalid ${command} operation`,
      `'${first}' is not one of ${quoteList(visible(at))}`,
      didYouMean(first, visible(at), `${path.join(" ")} `)
    )
  )
}

/**
 * Parses the arguments after the name of a command.
 *
 * @param command its declaration
 * @param args its arguments
 * @returns the selected operation and its values, or the error of the first invalid argument
 */
export const parse = <R>(command: Command<R>, args: ReadonlyArray<string>): Parsed<Call<R>> =>
  parseAt(command, args, [command.name])
