/** Names of applications: which are valid, and the file and type names that are derived from them. Pure. */
import type { Shape as Native } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"

/** Limit in bytes of UTF-8. With prefix and extension, a file name may have 255. */
const maxNameLength = 128

const length = (text: string): number => new TextEncoder().encode(text).length

/** The problem of an application's name; `undefined` if it is valid. */
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

/** The names of one image on one desktop. */
export interface Identity {
  readonly name: string
  /** Part of file names. */
  readonly file: string
  /** The part of its MIME type after `application/flatimage_`. */
  readonly type: string
}

/**
 * Keeps ASCII letters and digits and replaces everything else by dashes. The digest distinguishes names that become equal.
 */
const slug = (native: Native, name: string): string =>
  `${name.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40)}-${
    sha256(native, name).slice(0, 8)
  }`.replace(/^-/, "")

/** Excludes characters with a meaning in lists of desktop entries or icons. */
const isFileName = (name: string): boolean => /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._+-]*$/u.test(name) && !name.endsWith(" ")

const isTypeName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(name)

/**
 * The names for an application.
 *
 * @param name of the application
 * @param apart path of the image, if another image with the same name has the plain names
 */
export const identityOf = (native: Native, name: string, apart?: string): Identity => {
  const suffix = apart === undefined ? "" : `-${sha256(native, apart).slice(0, 8)}`
  return {
    name,
    file: `${isFileName(name) ? name : slug(native, name)}${suffix}`,
    type: `${isTypeName(name) ? name : slug(native, name)}${suffix}`
  }
}

/** The problem of an image's path; `undefined` if an entry can contain it, as it can line breaks and tabs. */
export const pathProblem = (path: string): string | undefined =>
  /[^\P{Cc}\n\r\t]/u.test(path) ? "its path has control characters in it, which desktop entries cannot hold" : undefined
