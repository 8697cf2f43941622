/** Builds the `effect/cli` tree from the declared commands: for the host's command line, its help and its errors. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Declared from "./Command.ts"
import { didYouMean } from "./Suggest.ts"

/** A tree whose handlers need `R`. */
export type Tree<R> = Command.Command<string, unknown, object, Declared.Failure, R>

const notOne = (arg: string, choices: ReadonlyArray<string>): string =>
  [`'${arg}' is not one of ${choices.join(", ")}`, didYouMean(arg, choices)]
    .filter((part) => part !== undefined)
    .join("; ")

const parseList = (argument: Declared.Argument, text: string): ReadonlyArray<string> | string => {
  const items = text.split(",")
  if (argument.empty !== undefined && items.includes("")) return argument.empty
  const wrong = items.find((item) =>
    argument.choices === undefined ? argument.pattern?.test(item) === false : !argument.choices.includes(item)
  )
  if (wrong !== undefined) {
    return argument.choices === undefined
      ? `'${wrong}' is not a valid ${argument.name}`
      : notOne(wrong, argument.choices)
  }
  return argument.alone !== undefined && items.length > 1 && items.includes(argument.alone.value)
    ? argument.alone.error
    : items
}

const isValid = ({ nonEmpty, pattern }: Declared.Argument) => (arg: string): boolean =>
  !(nonEmpty && arg === "") && pattern?.test(arg) !== false

const argumentOf = (argument: Declared.Argument): Argument.Argument<unknown> => {
  const { as, choices, name, optional, shown, summary = "" } = argument
  const text = choices !== undefined && as !== "list"
    ? Argument.Literals(name, choices)
    : Argument.String(name)
  const described = text.pipe(Argument.withDescription(summary), Argument.withMetavar(shown ?? name))
  const valid = Argument.filter(described, isValid(argument), (arg) => `'${arg}' is not a valid ${name}`)
  if (as === "rest") return Argument.variadic(described)
  if (as === "repeated") return Argument.variadic(valid, { min: 1 })
  if (as === "list") {
    const list: Argument.Argument<unknown> = described.pipe(
      Argument.map((arg) => parseList(argument, arg)),
      Argument.filter((list) => typeof list !== "string", (list) => String(list))
    )
    return optional === undefined ? list : Argument.map(Argument.optional(list), Option.getOrElse(() => []))
  }
  return optional === undefined ? valid : Argument.map(Argument.optional(valid), Option.getOrUndefined)
}

const flagOf = (option: Declared.Option): Flag.Flag<unknown> => {
  const { alias, choices, name, number, repeated, summary, value } = option
  const shared = <A>(flag: Flag.Flag<A>): Flag.Flag<A> => {
    const described = Flag.withDescription(flag, summary)
    const named = value === undefined ? described : Flag.withMetavar(described, value)
    return alias === undefined ? named : Flag.withAlias(named, alias)
  }
  if (number !== undefined) return Flag.withDefault(shared(Flag.Int(name)), number)
  if (choices !== undefined) return Flag.map(Flag.optional(shared(Flag.Literals(name, choices))), Option.getOrUndefined)
  if (value === undefined) return Flag.withDefault(shared(Flag.Boolean(name)), false)
  if (repeated) return Flag.atLeast(shared(Flag.String(name)), 0)
  return Flag.map(Flag.optional(shared(Flag.String(name))), Option.getOrUndefined)
}

const described = <R>(command: Tree<R>, declared: Declared.Operation<R>, program: string): Tree<R> => {
  const short = Command.withShortDescription(command, declared.summary)
  if (!Declared.isCommand(declared)) return Command.withDescription(short, declared.summary)
  return short.pipe(
    Command.withDescription(declared.description.join(" ")),
    Command.withExamples(
      declared.examples.map(({ command, description }) => ({ command: `${program} ${command}`, description }))
    )
  )
}

/**
 * Builds the tree of a command and all of its operations.
 *
 * @param declared the command
 * @param program the command line before the command, in examples
 */
export const treeOf = <R>(declared: Declared.Operation<R>, program: string): Tree<R> => {
  const { handler, name, operations = [], options = [] } = declared
  const parameters = Object.fromEntries([
    ...(declared.arguments ?? []).map((argument) => [argument.name, argumentOf(argument)]),
    ...options.map((option) => [option.name, flagOf(option)])
  ])
  const bare = handler === undefined
    ? Command.make(name, parameters)
    : Command.make(
      name,
      parameters,
      (input) =>
        Effect.flatMap(
          Effect.promise(handler),
          (run): Effect.Effect<unknown, Declared.Failure, R> => run(input as never)
        )
    )
  const command = described(bare as unknown as Tree<R>, declared, program)
  if (operations.length === 0) return command
  const children = operations.map((operation) => {
    const child = treeOf(operation, program)
    return operation.hidden ? Command.unlisted(child) : child
  })
  return Command.withSubcommands(command, children) as unknown as Tree<R>
}

const takesValue = (options: ReadonlyArray<Declared.Option>, arg: string): boolean =>
  options.some(({ alias, choices, name, value }) =>
    (arg === `--${name}` || arg === `-${alias}`) && (value ?? choices) !== undefined
  )

/**
 * Inserts `--` before data that looks like options: the data of an operation without options, and arguments of another
 * command. Inserts the name of the operation that applies by default.
 */
export const withDataMarked = <R>(
  declared: Declared.Operation<R>,
  args: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const [first = "", ...rest] = args
  const chosen = Declared.findOperation(declared, first)
  if (chosen !== undefined) return [first, ...withDataMarked(chosen, rest)]
  const chosenByDefault = Declared.defaultOperation(declared, args)
  if (chosenByDefault !== undefined) return [chosenByDefault.name, ...withDataMarked(chosenByDefault, args)]
  if (declared.operations !== undefined) return args
  if (declared.options === undefined) return first === "--" ? args : ["--", ...args]
  const before = declared.arguments?.findIndex(({ as }) => as === "rest") ?? -1
  if (before < 0) return args
  let values = 0
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? ""
    if (arg === "--") return args
    if (takesValue(declared.options, arg)) at++
    else if (!arg.startsWith("-") || arg === "-") {
      if (values === before) return [...args.slice(0, at), "--", ...args.slice(at)]
      values++
    }
  }
  return args
}
