/** The parser of the commands of an image: from words to values, by what a command declares. It loads nothing. */
import * as Result from "effect/Result"
import { type CommandError, quoteList, usageError } from "../config/CommandError.ts"
import { type Argument, bareOperation, type Command, findOperation, type Operation, type Option } from "./Command.ts"
import { didYouMean } from "./Suggest.ts"

/** A command with valid words. */
export interface Call<R> {
  readonly operation: Operation<R>
  /** Values by the names of arguments and options. */
  readonly input: Readonly<Record<string, unknown>>
}

type Parsed<A> = Result.Result<A, CommandError>

/** Whether words ask for help of a command: in front of its data, as `-h` or `--help`. */
export const asksForHelp = <R>(command: Operation<R>, words: ReadonlyArray<string>): boolean => {
  let depth = 0
  let at: Operation<R> | undefined = command
  while (at !== undefined && words[depth] !== undefined) at = findOperation(at, words[depth++] ?? "")
  const end = words.indexOf("--")
  return words.slice(0, end < 0 ? undefined : end).slice(0, Math.max(2, depth)).some((word) =>
    word === "--help" || word === "-h"
  )
}

const visible = <R>(of: Operation<R>): ReadonlyArray<string> =>
  (of.operations ?? []).filter(({ hidden }) => hidden === undefined).map(({ name }) => name)

/** One word of an argument. */
const parseWord = (argument: Argument, word: string): Parsed<string> => {
  const lower = word.toLowerCase()
  const refused = argument.refused?.[lower]
  if (refused !== undefined) return Result.fail(usageError(refused))
  const fail = (text: string, hint?: string) =>
    Result.fail(usageError(text.replace("%s", () => word), hint, didYouMean(word, argument.choices ?? [])))
  if (word === "" && argument.empty !== undefined) return fail(argument.empty)
  if (argument.choices !== undefined) {
    if (argument.choices.includes(lower)) return Result.succeed(lower)
    return fail(
      argument.invalid ?? `Invalid ${argument.name} '%s'`,
      argument.hint ?? `'${word}' is not one of ${quoteList(argument.choices)}`
    )
  }
  if (argument.pattern?.test(word) === false) {
    return fail(argument.invalid ?? `Invalid ${argument.name} '%s'`, argument.hint)
  }
  return Result.succeed(word)
}

const parseEach = (argument: Argument, words: ReadonlyArray<string>): Parsed<ReadonlyArray<string>> => {
  const values: Array<string> = []
  for (const word of words) {
    const value = parseWord(argument, word)
    if (Result.isFailure(value)) return Result.fail(value.failure)
    values.push(value.success)
  }
  const { alone } = argument
  if (alone !== undefined && values.length > 1 && values.includes(alone.word)) {
    return Result.fail(usageError(alone.error))
  }
  return Result.succeed(values)
}

/** One argument from the words that are left: its value, and how many words it took. */
const parseArgument = (argument: Argument, words: ReadonlyArray<string>): Parsed<readonly [unknown, number]> => {
  if (argument.as === "rest") return Result.succeed([words, words.length])
  const [word] = words
  if (word === undefined || (word === "" && argument.nonEmpty)) {
    if (argument.optional && word === undefined) {
      return Result.succeed([argument.as === undefined ? undefined : [], 0])
    }
    return Result.fail(usageError(argument.missing ?? `Missing <${argument.name}>`))
  }
  if (argument.as === "repeated") {
    return Result.map(parseEach(argument, words), (values) => [values, words.length])
  }
  if (argument.as === "list") return Result.map(parseEach(argument, word.split(",")), (values) => [values, 1])
  return Result.map(parseWord(argument, word), (value) => [value, 1])
}

/** Words of data, and the switches among them. Data begins at the first `--`; without switches, at the first word. */
const separate = <R>(
  { options = [] }: Operation<R>,
  words: ReadonlyArray<string>
): { readonly data: ReadonlyArray<string>; readonly given: ReadonlySet<string> } => {
  if (options.length === 0) return { data: words[0] === "--" ? words.slice(1) : words, given: new Set() }
  const end = words.indexOf("--")
  const before = end < 0 ? words : words.slice(0, end)
  const given = new Set(before.filter((word) => options.some(({ name }) => word === `--${name}`)))
  return { data: [...before.filter((word) => !given.has(word)), ...(end < 0 ? [] : words.slice(end + 1))], given }
}

/**
 * Words of data behind options that have values, which stand in front of the data: it belongs to a program. A value is the next word,
 * or stands behind `=`.
 */
const separateValues = (options: ReadonlyArray<Option>, words: ReadonlyArray<string>, command: string) => {
  const input: Record<string, unknown> = {}
  for (const { name, repeated, value } of options) input[name] = repeated ? [] : value === undefined ? false : undefined
  let at = 0
  for (; at < words.length; at++) {
    const word = words[at] ?? ""
    if (word === "--") return Result.succeed({ data: words.slice(at + 1), input })
    if (!word.startsWith("-") || word === "-") break
    const equals = word.indexOf("=")
    const given = equals < 0 ? word : word.slice(0, equals)
    const option = options.find(({ name }) => given === `--${name}`)
    if (option === undefined) {
      return Result.fail(
        usageError(
          `Unknown option '${given}' of ${command}`,
          `Options stand in front of the program; ${command} --help lists them`,
          didYouMean(given, options.map(({ name }) => `--${name}`))
        )
      )
    }
    if (option.value === undefined) {
      if (equals >= 0) return Result.fail(usageError(`Option '${given}' has no value`))
      input[option.name] = true
      continue
    }
    const value = equals < 0 ? words[++at] : word.slice(equals + 1)
    if (value === undefined) return Result.fail(usageError(`Option '${given}' needs a value: ${option.value}`))
    input[option.name] = option.repeated ? [...input[option.name] as ReadonlyArray<string>, value] : value
  }
  return Result.succeed({ data: words.slice(at), input })
}

/** What separates the values of a list, for who wrote spaces. */
const listHint = (list: ReadonlyArray<Argument>, data: ReadonlyArray<string>): string | undefined =>
  list.some(({ as }) => as === "list") ? `a list has commas and no spaces: ${data.join(",")}` : undefined

const separated = <R>(
  operation: Operation<R>,
  words: ReadonlyArray<string>,
  command: string
): Parsed<{ readonly data: ReadonlyArray<string>; readonly input: Record<string, unknown> }> => {
  const { options = [] } = operation
  if (options.some(({ value }) => value !== undefined)) return separateValues(options, words, command)
  const { data, given } = separate(operation, words)
  return Result.succeed({
    data,
    input: Object.fromEntries(options.map(({ name }) => [name, given.has(`--${name}`)]))
  })
}

const parseLeaf = <R>(operation: Operation<R>, words: ReadonlyArray<string>, command: string): Parsed<Call<R>> => {
  const parts = separated(operation, words, command)
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

const parseAt = <R>(at: Operation<R>, words: ReadonlyArray<string>, path: ReadonlyArray<string>): Parsed<Call<R>> => {
  const command = path[0] ?? ""
  if (at.operations === undefined) return parseLeaf(at, words, command)
  const [first, second] = words
  // A switch may stand in front of the operation that takes it.
  const behind = first?.startsWith("--") && second !== undefined ? findOperation(at, second) : undefined
  if (behind?.options?.some(({ name }) => first === `--${name}`)) {
    return parseAt(behind, [first ?? "", ...words.slice(2)], [...path, behind.name])
  }
  const chosen = first === undefined ? undefined : findOperation(at, first)
  if (chosen !== undefined) return parseAt(chosen, words.slice(1), [...path, chosen.name])
  if (at.arguments !== undefined) return parseLeaf(at, words, command)
  const bare = bareOperation(at, words)
  if (bare !== undefined) return parseAt(bare, words, [...path, bare.name])
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
 * Parses the words behind the name of a command.
 *
 * @returns the operation that they choose and its values, or the error of the first word that is wrong
 */
export const parse = <R>(command: Command<R>, words: ReadonlyArray<string>): Parsed<Call<R>> =>
  parseAt(command, words, [command.name])
