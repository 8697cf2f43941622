/** Verifies a package of apk: its three streams, against the index, the keys and each other. */
import * as Effect from "effect/Effect"
import type { Compression } from "../../platform/Compression.ts"
import { NativeBytes } from "../../platform/NativeBytes.ts"
import type { RsaSignatures } from "../../platform/RsaSignatures.ts"
import { sha256 } from "../../platform/Sha256.ts"
import * as Utf8 from "../../Utf8.ts"
import { type BuildError, buildError } from "../BuildError.ts"
import type { Package } from "./Index.ts"
import { checkSignature, checksumOf, type Keys, readMembers, readSegment } from "./Segments.ts"

const scriptNames = ["pre-install", "post-install", "trigger"] as const
export type ScriptName = (typeof scriptNames)[number]

/** A verified package. */
export interface Verified {
  readonly package: Package
  /** The compressed archive of its files. */
  readonly data: Uint8Array
  /** The files of the second stream except the description: the database needs them. */
  readonly control: ReadonlyMap<string, Uint8Array>
  readonly scripts: ReadonlyMap<ScriptName, Uint8Array>
  /** Patterns of directories. If a file is put into one of them, the script `trigger` has to run. */
  readonly triggers: ReadonlyArray<string>
  /** Packages whose files it may overwrite. */
  readonly replaces: ReadonlyArray<string>
}

/** The values of a key in a description, which has lines `key = value`. */
const valuesOf = (description: string, key: string): ReadonlyArray<string> =>
  description.split("\n").flatMap((line) => {
    const match = /^(\w+) = (.*)$/.exec(line.trim())
    return match?.[1] === key ? [match[2] ?? ""] : []
  })

/**
 * Verifies the file of a package: it is the one of the index, a known key signed its description, and its files match the
 * description. Fails with `BuildError`.
 */
export const verifyPackage = Effect.fnUntraced(function*(
  path: string,
  bytes: Uint8Array,
  expected: Package,
  keys: Keys
): Effect.fn.Return<Verified, BuildError, Compression | NativeBytes | RsaSignatures> {
  const native = yield* NativeBytes
  const wrong = (detail: string) => buildError("Untrusted", { path, detail })
  const signatures = yield* readSegment(path, bytes, 0)
  const control = yield* readSegment(path, bytes, signatures.end)
  const signed = bytes.subarray(control.start, control.end)
  if (checksumOf(native, signed) !== expected.checksum) {
    return yield* wrong(`it is not the ${expected.name} ${expected.version} of the index`)
  }
  yield* checkSignature(path, yield* readMembers(path, signatures.inflated), signed, keys)
  const files = yield* readMembers(path, control.inflated)
  const description = Utf8.decode(files.get(".PKGINFO") ?? new Uint8Array())
  const data = bytes.subarray(control.end)
  const [hash, ...more] = valuesOf(description, "datahash")
  if (hash === undefined || more.length > 0 || sha256(native, data) !== hash) {
    return yield* wrong("its files are not those of its description")
  }
  const [name] = valuesOf(description, "pkgname")
  const [version] = valuesOf(description, "pkgver")
  if (name !== expected.name || version !== expected.version) {
    return yield* wrong(`it calls itself ${name} ${version}, not ${expected.name} ${expected.version}`)
  }
  return {
    package: expected,
    data,
    control: new Map([...files].filter(([name]) => /^\.(?!PKGINFO$)[a-z-]+$/.test(name))),
    scripts: new Map(scriptNames.flatMap((name) => {
      const script = files.get(`.${name}`)
      return script === undefined ? [] : [[name, script] as const]
    })),
    triggers: valuesOf(description, "triggers").flatMap((value) => value.split(/\s+/)).filter((word) => word !== ""),
    replaces: valuesOf(description, "replaces").flatMap((value) => value.split(/\s+/)).filter((word) => word !== "")
  }
})
