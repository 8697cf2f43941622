/** The list of a repository, `APKINDEX.tar.gz`. */
import * as Effect from "effect/Effect"
import type { Compression } from "../../platform/Compression.ts"
import type { RsaSignatures } from "../../platform/RsaSignatures.ts"
import * as Utf8 from "../../Utf8.ts"
import { type BuildError, buildError } from "../BuildError.ts"
import { checkSignature, type Keys, readMembers, readSegment } from "./Segments.ts"
import { isVersion } from "./Version.ts"

/** A dependency, a conflict (`negated`), or a provided name. */
export interface Term {
  readonly negated: boolean
  readonly name: string
  /** Such as `>=`; empty for any version. */
  readonly operator: string
  readonly version: string
}

/** A package of a repository. */
export interface Package {
  readonly name: string
  readonly version: string
  /** Checksum of its second stream, as `Q1…`. */
  readonly checksum: string
  /** Size of the file, in bytes. */
  readonly size: number
  readonly depends: ReadonlyArray<Term>
  readonly provides: ReadonlyArray<Term>
  /** The package is installed automatically if all of these are installed. */
  readonly installIf: ReadonlyArray<Term>
  /** Among several providers the one with the highest priority is used. */
  readonly priority: number
  /** URL of its directory. */
  readonly base: string
  /** The lines of its record in the index. */
  readonly record: string
}

/** A name that is part of a path and of a URL. */
const packageName = /^[A-Za-z0-9_][A-Za-z0-9+._-]{0,254}$/

const term = /^(!?)([^\s<>=~!@]+)(?:@[^\s<>=~]+)?([<>=~]{0,3})(\S*)$/

/** Parses a term such as `!name>=1.2`; `undefined` if it is not valid. The tag of a repository (`@edge`) is ignored. */
export const parseTerm = (text: string): Term | undefined => {
  const match = term.exec(text)
  const operator = match?.[3] ?? ""
  return match === null || (operator === "") !== (match[4] === "")
    ? undefined
    : { negated: match[1] === "!", name: match[2] ?? "", operator, version: match[4] ?? "" }
}

const terms = (text: string | undefined): ReadonlyArray<Term> =>
  (text ?? "").split(/\s+/).filter((word) => word !== "").flatMap((word) => parseTerm(word) ?? [])

const checksum = /^Q1[A-Za-z0-9+/]{27}=$/

/** The packages of an index for a processor. Invalid records, and those for other processors, are skipped. */
const parseIndex = (text: string, base: string, architecture: string): ReadonlyArray<Package> =>
  text.split(/\n\n+/).flatMap((record) => {
    const fields = new Map<string, string>()
    for (const line of record.split("\n")) if (line[1] === ":") fields.set(line.slice(0, 1), line.slice(2))
    const field = (letter: string) => fields.get(letter) ?? ""
    const isOurs = [architecture, "noarch", "all", ""].includes(field("A"))
    if (!isOurs || !packageName.test(field("P")) || !isVersion(field("V")) || !checksum.test(field("C"))) return []
    if (!/^\d{1,12}$/.test(field("S"))) return []
    return [{
      name: field("P"),
      version: field("V"),
      checksum: field("C"),
      size: Number(field("S")),
      depends: terms(field("D")),
      provides: terms(field("p")),
      installIf: terms(field("i")),
      priority: /^\d{1,9}$/.test(field("k")) ? Number(field("k")) : 0,
      base,
      record: record.trim()
    }]
  })

/** Reads the file of an index. The signature is checked before parsing. Fails with `BuildError`. */
export const readIndex = Effect.fnUntraced(function*(
  path: string,
  bytes: Uint8Array,
  keys: Keys,
  base: string,
  architecture: string
): Effect.fn.Return<ReadonlyArray<Package>, BuildError, Compression | RsaSignatures> {
  const signatures = yield* readSegment(path, bytes, 0)
  const signed = bytes.subarray(signatures.end)
  yield* checkSignature(path, yield* readMembers(path, signatures.inflated), signed, keys)
  const index = yield* readSegment(path, signed, 0)
  if (index.end !== signed.length) {
    return yield* buildError("Untrusted", { path, detail: "something follows the index" })
  }
  const list = (yield* readMembers(path, index.inflated)).get("APKINDEX")
  if (list === undefined) return yield* buildError("Untrusted", { path, detail: "there is no list in it" })
  return parseIndex(Utf8.decode(list), base, architecture)
})
