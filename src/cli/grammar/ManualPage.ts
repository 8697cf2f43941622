/** Manual pages for man(1), derived from the declared commands. */
import { type Command, type Operation, type Option, synopsis } from "./Command.ts"
import { callsOf } from "./HelpText.ts"

/** Escapes what roff would interpret. */
const plain = (text: string): string =>
  text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("~", "\\(ti").replaceAll("^", "\\(ha")
    .replaceAll("`", "\\(ga").replace(/^[.']/gm, (first) => `\\&${first}`)

const heading = (name: string): string => `.SH ${name}`

/** A bold line. */
const bold = (text: string): string => `.B "${plain(text).replaceAll("\"", "\\(dq")}"`

/** A term and its meaning. */
const term = (name: string, meaning: string): ReadonlyArray<string> => [".TP", bold(name), plain(meaning)]

const verbatim = (lines: ReadonlyArray<string>): ReadonlyArray<string> => [
  ".PP",
  ".RS 4",
  ".nf",
  ...lines.map(plain),
  ".fi",
  ".RE"
]

const optionTerm = ({ alias, choices, name, summary, value }: Option): ReadonlyArray<string> => {
  const behind = value ?? choices?.join("|")
  const long = behind === undefined ? `--${name}` : `--${name} ${behind}`
  return term(alias === undefined ? long : `-${alias}, ${long}`, summary)
}

const shownOperations = <R>(of: Operation<R>): ReadonlyArray<Operation<R>> =>
  (of.operations ?? []).filter(({ hidden }) => hidden === undefined)

/** Options and operations, each operation with its own. */
const parts = <R>(of: Operation<R>): ReadonlyArray<string> => [
  ...(of.options ?? []).flatMap(optionTerm),
  ...shownOperations(of).flatMap((operation) => {
    const inner = parts(operation)
    const own = term(`${operation.name} ${synopsis(operation)}`.trimEnd(), operation.summary)
    return inner.length === 0 ? own : own.concat(".RS", inner, ".RE")
  })
]

const commandPart = <R>(command: Command<R>, program: string): ReadonlyArray<string> => [
  `.SS "${plain(command.name)}"`,
  plain(`${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`),
  ...verbatim(callsOf(command).map((call) => `${program} ${call}`)),
  ".PP",
  ...command.description.map(plain),
  ...parts(command),
  ...(command.exitCodes === undefined
    ? []
    : [".PP", "Further exit codes:", ...command.exitCodes.flatMap(([code, meaning]) => term(code, meaning))]),
  ...(command.examples.length === 0
    ? []
    : verbatim(command.examples.flatMap(({ command, description }) => [`# ${description}`, `${program} ${command}`])))
]

const top = (name: string, version: string, summary: string): ReadonlyArray<string> => [
  `.TH "${plain(name.toUpperCase())}" 1 "" "flatimage ${version}" "User Commands"`,
  heading("NAME"),
  `${plain(name)} \\- ${plain(summary)}`
]

/**
 * The manual page of an image.
 *
 * @param program the file name of the image
 * @param version of the image
 * @param commands all of them
 * @returns roff text
 */
export const imagePage = <R>(program: string, version: string, commands: ReadonlyArray<Command<R>>): string =>
  [
    ...top(program, version, "a Linux application in one executable file"),
    heading("SYNOPSIS"),
    bold(program),
    "[argument...]",
    ".br",
    bold(program),
    plain("fim-<command> [argument...]"),
    heading("DESCRIPTION"),
    plain("The file runs its boot command with all arguments of the call. None of them is an option of flatimage."),
    plain("If the first argument begins with fim-, a command of flatimage runs instead."),
    heading("COMMANDS"),
    ...commands.flatMap((command) => commandPart(command, program)),
    heading("EXIT STATUS"),
    ...term("0", "success"),
    ...term("125", "flatimage itself failed; the reason is on standard error"),
    ...term("other", "the exit code of the program, where a command runs one; 126, 127 and 128+n as those of a shell")
  ].join("\n")

/** The manual page flatimage(1), as roff text. */
export const hostPage = <R>(flatimage: Command<R>, version: string): string =>
  [
    ...top(flatimage.name, version, flatimage.summary),
    heading("SYNOPSIS"),
    bold(flatimage.name),
    plain("<command> [argument...]"),
    heading("DESCRIPTION"),
    ...flatimage.description.map(plain),
    heading("OPTIONS"),
    ...term("-h, --help", "print help; after the name of a command, the help of that command"),
    ...term("-v, --version", "print the version"),
    heading("COMMANDS"),
    ...shownOperations(flatimage).flatMap((command) => commandPart(command as Command<R>, flatimage.name)),
    heading("EXIT STATUS"),
    ...term("0", "success"),
    ...term("1", "an inspected image is damaged"),
    ...term("125", "anything else that failed; the reason is on standard error"),
    ...term("130", "interrupted")
  ].join("\n")
