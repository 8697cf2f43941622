/** MIME types of images, by the Shared MIME-info Specification: one for each image, and one for all images. Pure. */
import type { Identity } from "./Names.ts"

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\"": "&quot;",
  "'": "&apos;"
}

const escapeAttribute = (text: string): string => text.replace(/[&<>"']/g, (sign) => escapes[sign] ?? sign)

/**
 * A pattern that matches this file name. The type database has lines with colons, and XML has no control characters. A
 * question mark, which matches any character, replaces every character that could break either.
 */
const patternOf = (fileName: string): string =>
  fileName
    .replace(/[[*?]/g, "[$&]")
    .replace(/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\p{Zl}\p{Zp}:\\]/gu, "?")

const document = (lines: ReadonlyArray<string>): string =>
  [
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    "<mime-info xmlns=\"http://www.freedesktop.org/standards/shared-mime-info\">",
    ...lines.map((line) => `  ${line}`),
    "</mime-info>"
  ].join("\n")

const kind = [
  "  <sub-class-of type=\"application/x-executable\"/>",
  "  <generic-icon name=\"application-flatimage\"/>",
  "</mime-type>"
]

/** The type of one image, matched by its file name; without a newline at the end. */
export const imageType = (identity: Identity, fileName: string): string =>
  document([
    `<mime-type type="application/flatimage_${escapeAttribute(identity.type)}">`,
    "  <comment>FlatImage Application</comment>",
    `  <glob weight="100" pattern="${escapeAttribute(patternOf(fileName))}"/>`,
    ...kind
  ])

/** Whether a text is the type of an image of the application with this name. */
export const isTypeOf = (identity: Identity, text: string): boolean =>
  text.includes(`<mime-type type="application/flatimage_${escapeAttribute(identity.type)}">`)

/** The type of all images, matched by their first bytes. */
export const genericType: string = document([
  "<mime-type type=\"application/flatimage\">",
  "  <comment>FlatImage Application</comment>",
  "  <magic>",
  "    <match value=\"ELF\" type=\"string\" offset=\"1\">",
  "      <match value=\"0x46\" type=\"byte\" offset=\"8\">",
  "        <match value=\"0x49\" type=\"byte\" offset=\"9\">",
  "          <match value=\"0x01\" type=\"byte\" offset=\"10\"/>",
  "        </match>",
  "      </match>",
  "    </match>",
  "  </magic>",
  "  <glob weight=\"50\" pattern=\"*.flatimage\"/>",
  ...kind
])
