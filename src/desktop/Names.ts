/** Names of applications: which are valid, and the names of files and types that are derived from one. Pure. */
import type { Shape as Native } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"

/** In bytes of UTF-8. With prefix and extension, the name of a file may have 255. */
const maxNameLength = 128

const length = (text: string): number => new TextEncoder().encode(text).length

/** What is wrong with the name of an application; nothing if it can be used. */
export const nameProblem = (name: string): string | undefined => {
  if (name.trim() === "") return "Application name cannot be empty"
  if (name.includes("/")) return "Application name cannot contain the '/' character"
  if (/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\p{Zl}\p{Zp}]/u.test(name)) {
    return "Application name cannot contain control characters or line breaks"
  }
  const bytes = length(name)
  return bytes > maxNameLength
    ? `Application name is ${bytes} bytes long, at most ${maxNameLength} are possible`
    : undefined
}

/** The names that one image uses on one desktop. */
export interface Identity {
  readonly name: string
  /** In the names of files. */
  readonly file: string
  /** Behind `application/flatimage_`, as a type may be written. */
  readonly type: string
}

/** Letters, digits and a few signs become what they are, all else a dash; the digest keeps what that makes equal apart. */
const slug = (native: Native, name: string): string =>
  `${name.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40)}-${
    sha256(native, name).slice(0, 8)
  }`.replace(/^-/, "")

/** No sign that lists of desktop entries or of icons give a meaning to. */
const isFileName = (name: string): boolean => /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._+-]*$/u.test(name) && !name.endsWith(" ")

const isTypeName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(name)

/**
 * The names for an application. `apart`, the path of the image, is given where another image of the same name has the
 * plain ones.
 */
export const identityOf = (native: Native, name: string, apart?: string): Identity => {
  const suffix = apart === undefined ? "" : `-${sha256(native, apart).slice(0, 8)}`
  return {
    name,
    file: `${isFileName(name) ? name : slug(native, name)}${suffix}`,
    type: `${isTypeName(name) ? name : slug(native, name)}${suffix}`
  }
}

/** What is wrong with the path of an image; nothing if an entry can hold it. Line breaks and tabulators it can. */
export const pathProblem = (path: string): string | undefined =>
  /[^\P{Cc}\n\r\t]/u.test(path) ? "its path has control characters in it, which desktop entries cannot hold" : undefined
