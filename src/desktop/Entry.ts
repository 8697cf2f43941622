/** The text of a desktop entry, by the Desktop Entry Specification. Pure. */
import type { Desktop, desktopKeys } from "../image/Settings.ts"
import { entryCategories } from "./Categories.ts"
import type { Identity } from "./Names.ts"

/** Escapes a value so that no character ends its line, and no reader removes spaces at its ends. */
const escapeValue = (value: string): string =>
  value
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t")
    .replace(/^ +| +$/g, (spaces) => "\\s".repeat(spaces.length))

/** An argument of a command line: in quotes, with special characters escaped, and without field codes. */
const quoteArgument = (word: string): string => `"${word.replace(/["`$\\]/g, "\\$&").replaceAll("%", "%%")}"`

/** A list of values, each followed by a semicolon. */
const list = (key: string, values: ReadonlyArray<string>): ReadonlyArray<string> =>
  values.length === 0
    ? []
    : [`${key}=${values.map((value) => `${escapeValue(value).replaceAll(";", "\\;")};`).join("")}`]

const optional = (key: string, value: string | undefined): ReadonlyArray<string> =>
  value === undefined || value === "" ? [] : [`${key}=${escapeValue(value)}`]

/** The entry of an image at an absolute path, without a newline at the end. */
export const entryText = (
  options: Pick<Desktop, "categories" | keyof typeof desktopKeys> & {
    readonly identity: Identity
    readonly image: string
  }
): string => {
  const { actions = [], identity, image } = options
  const exec = (args: ReadonlyArray<string>) =>
    `Exec=${escapeValue([quoteArgument(image), ...args.map(quoteArgument), "%F"].join(" "))}`
  return [
    "[Desktop Entry]",
    `Name=${escapeValue(identity.name)}`,
    "Type=Application",
    `Comment=${escapeValue(options.comment || `FlatImage distribution of "${identity.name}"`)}`,
    exec([]),
    `Icon=flatimage_${identity.file}`,
    ...list("MimeType", [`application/flatimage_${identity.type}`, ...(options.mimeType ?? [])]),
    ...list("Categories", entryCategories(options.categories)),
    ...optional("GenericName", options.genericName),
    ...list("Keywords", options.keywords ?? []),
    ...(options.terminal === true ? ["Terminal=true"] : []),
    ...optional("StartupWMClass", options.startupWMClass),
    ...list("Actions", actions.map(({ id }) => id)),
    ...actions.flatMap(({ args, id, name }) => [
      "",
      `[Desktop Action ${id}]`,
      `Name=${escapeValue(name)}`,
      exec(args)
    ])
  ].join("\n")
}

/** Whether a text is the entry of an image of the application with this name. */
export const isEntryOf = (name: string, text: string): boolean =>
  text.startsWith(`[Desktop Entry]\nName=${escapeValue(name)}\nType=Application\nComment=`) &&
  text.includes("\nIcon=flatimage_")
