/** The caller's language in the guest. What its C library does not have becomes `C.UTF-8`, about which no program warns. */
import * as Effect from "effect/Effect"
import * as Utf8 from "../Utf8.ts"
import { viewOf } from "../View.ts"
import { localesOf } from "./Environment.ts"

type Environment = Readonly<Record<string, string | undefined>>

const isUniversal = (name: string): boolean => /^C\.utf-?8$/i.test(name)

/** Where glibc has locales: each in a directory, or all in one file. */
const directory = "/usr/lib/locale"
const archive = `${directory}/locale-archive`
/** How much of the archive is read: its table of names. An archive of all locales has some 100 KB of it. */
const archiveLimit = 256 * 1024
const archiveMagic = 0xde02_0109
/** Offsets of the archive's header: where the names are, and how many bytes. */
const namesAt = 20
const namesSize = 24

/** The codeset in lower case without punctuation, as glibc names files; `iso` before a plain number. */
const normalizedCodeset = (codeset: string): string => {
  const plain = codeset.toLowerCase().replaceAll(/[^a-z0-9]/g, "")
  return /^\d+$/.test(plain) ? `iso${plain}` : plain
}

/** Names under which glibc searches a locale. */
const variantsOf = (name: string): ReadonlyArray<string> => {
  const [, language, codeset, modifier = ""] = /^([^.@]+)(?:\.([^@]*))?(@.*)?$/.exec(name) ?? []
  if (language === undefined) return [name]
  return codeset === undefined ? [name] : [`${language}.${normalizedCodeset(codeset)}${modifier}`, name]
}

/** The names in an archive of locales. Empty for one in another format, or whose names are not in these bytes. */
export const archivedLocales = (bytes: Uint8Array): ReadonlySet<string> => {
  if (bytes.length < namesSize + 4) return new Set()
  const view = viewOf(bytes)
  if (view.getUint32(0, true) !== archiveMagic) return new Set()
  const at = view.getUint32(namesAt, true)
  const names = bytes.subarray(at, Math.min(bytes.length, at + view.getUint32(namesSize, true)))
  return new Set(Utf8.decode(names).split("\0"))
}

/** Reads a regular file of the guest; `undefined` where there is none. */
type ReadGuest = (path: string, limit: number) => Effect.Effect<Uint8Array | undefined>

/**
 * Replacements for locales that the guest does not have. A guest with another C library than glibc keeps all: it accepts any name.
 *
 * @param environment the caller's
 * @param read reads files of the guest
 * @returns the variables to replace
 */
export const replacedLocales = Effect.fn("Locale.replacedLocales")(function*(
  environment: Environment,
  read: ReadGuest
) {
  const asked = localesOf(environment)
  if (asked.length === 0) return {}
  const names = [...new Set(asked.map(([, value]) => value))]
  const has = (name: string) =>
    Effect.map(
      Effect.all(
        variantsOf(name).flatMap((variant) =>
          /^[\w.@-]+$/.test(variant) ? [read(`${directory}/${variant}/LC_CTYPE`, 0)] : []
        ),
        { concurrency: "unbounded" }
      ),
      (files) => files.some((file) => file !== undefined)
    )
  const [universal, archived, found] = yield* Effect.all([
    has("C.UTF-8"),
    read(archive, 0),
    Effect.forEach(names, has, { concurrency: "unbounded" })
  ], { concurrency: "unbounded" })
  if (!universal && archived === undefined) return {}
  const lacking = names.filter((name, index) => found[index] !== true && !(universal && isUniversal(name)))
  if (lacking.length === 0) return {}
  const inArchive = archived === undefined
    ? new Set<string>()
    : archivedLocales((yield* read(archive, archiveLimit)) ?? new Uint8Array())
  const missing = new Set(lacking.filter((name) => !variantsOf(name).some((variant) => inArchive.has(variant))))
  const instead = universal || inArchive.has("C.utf8") ? "C.UTF-8" : "C"
  return Object.fromEntries(asked.flatMap(([name, value]) => missing.has(value) ? [[name, instead] as const] : []))
})
