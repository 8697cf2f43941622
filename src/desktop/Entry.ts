/** The text of a desktop entry, by the Desktop Entry Specification. Pure. */
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

/** The entry of an image at an absolute path, without a newline at the end. */
export const entryText = (options: {
  readonly identity: Identity
  readonly image: string
  readonly categories: ReadonlyArray<string>
}): string => {
  const { identity, image } = options
  const categories = entryCategories(options.categories)
  return [
    "[Desktop Entry]",
    `Name=${escapeValue(identity.name)}`,
    "Type=Application",
    `Comment=${escapeValue(`FlatImage distribution of "${identity.name}"`)}`,
    `Exec=${escapeValue(`${quoteArgument(image)} %F`)}`,
    `Icon=flatimage_${identity.file}`,
    `MimeType=application/flatimage_${identity.type};`,
    ...(categories.length === 0 ? [] : [`Categories=${categories.join(";")};`])
  ].join("\n")
}

/** Whether a text is the entry of an image of the application with this name. */
export const isEntryOf = (name: string, text: string): boolean =>
  text.startsWith(`[Desktop Entry]\nName=${escapeValue(name)}\nType=Application\nComment=FlatImage distribution of `)
