/** A mirror of packages for apk, in its real formats, signed with a key of its own. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { archive, entry } from "./Tar.ts"

export interface ApkSpec {
  readonly name: string
  readonly version?: string
  readonly files?: ReadonlyArray<Buffer>
  /** Of an index: letter and value, such as `D` and `so:libc.so`. */
  readonly fields?: Readonly<Record<string, string>>
  /** `.post-install` and the like. */
  readonly scripts?: Readonly<Record<string, string>>
  readonly triggers?: string
}

export interface Signer {
  readonly name: string
  readonly privateKey: KeyObject
  readonly pem: string
}

export const newSigner = (name = "test@example.org-0001.rsa.pub"): Signer => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  return { name, privateKey, pem: publicKey.export({ type: "spki", format: "pem" }).toString() }
}

/** A part of an archive: its end is left out, so that the parts together are one. */
const part = (...entries: ReadonlyArray<Buffer>): Buffer => gzipSync(Buffer.concat(entries))

const signatureOf = (signed: Buffer, signer: Signer, kind: "RSA" | "RSA256"): Buffer =>
  part(
    entry(
      `.SIGN.${kind}.${signer.name}`,
      "0",
      "",
      sign(kind === "RSA" ? "RSA-SHA1" : "RSA-SHA256", signed, signer.privateKey),
      0o644
    )
  )

/** An entry with the attribute in which apk's archives have a file's checksum. */
const withChecksum = (bytes: Buffer): Buffer => {
  const type = bytes.toString("latin1", 156, 157)
  if (type !== "0" && type !== "2") return bytes
  const target = bytes.toString("latin1", 157, 257).replace(/\0.*$/s, "")
  const content = type === "2"
    ? Buffer.from(target)
    : bytes.subarray(512, 512 + parseInt(bytes.toString("latin1", 124, 135), 8))
  const pair = ` APK-TOOLS.checksum.SHA1=${createHash("sha1").update(content).digest("hex")}\n`
  return Buffer.concat([entry("PaxHeader", "x", "", `${pair.length + 2}${pair}`, 0o644), bytes])
}

export interface BuiltApk {
  readonly bytes: Buffer
  readonly record: string
}

/** The file of a package, and its record in an index. */
export const buildApk = (spec: ApkSpec, signer: Signer, kind: "RSA" | "RSA256" = "RSA"): BuiltApk => {
  const version = spec.version ?? "1.0-r0"
  const data = gzipSync(archive(...(spec.files ?? []).map(withChecksum)))
  const description = [
    `pkgname = ${spec.name}`,
    `pkgver = ${version}`,
    "arch = x86_64",
    ...(spec.triggers === undefined ? [] : [`triggers = ${spec.triggers}`]),
    `datahash = ${createHash("sha256").update(data).digest("hex")}`,
    ""
  ].join("\n")
  const control = part(
    entry(".PKGINFO", "0", "", description, 0o644),
    ...Object.entries(spec.scripts ?? {}).map(([name, content]) => entry(name, "0", "", content))
  )
  const bytes = Buffer.concat([signatureOf(control, signer, kind), control, data])
  const fields = {
    C: `Q1${createHash("sha1").update(control).digest("base64")}`,
    P: spec.name,
    V: version,
    A: "x86_64",
    S: String(bytes.length),
    I: String(data.length),
    T: `the package ${spec.name}`,
    U: "https://example.org",
    L: "MIT",
    ...spec.fields
  }
  return { bytes, record: Object.entries(fields).map(([letter, value]) => `${letter}:${value}\n`).join("") }
}

export const buildIndex = (records: ReadonlyArray<string>, signer: Signer, kind: "RSA" | "RSA256" = "RSA"): Buffer => {
  const index = gzipSync(archive(
    entry("DESCRIPTION", "0", "", "test", 0o644),
    entry("APKINDEX", "0", "", records.join("\n"), 0o644)
  ))
  return Buffer.concat([signatureOf(index, signer, kind), index])
}

/** Writes a mirror and its keys to directories: `SUITE/main/x86_64` with the packages, and an empty `community`. */
export const writeApkMirror = (options: {
  readonly mirror: string
  readonly keys: string
  readonly suite: string
  readonly packages: ReadonlyArray<ApkSpec>
  readonly signer: Signer
}): void => {
  const main = `${options.mirror}/${options.suite}/main/x86_64`
  const community = `${options.mirror}/${options.suite}/community/x86_64`
  for (const directory of [main, community, options.keys]) mkdirSync(directory, { recursive: true })
  writeFileSync(`${options.keys}/${options.signer.name}`, options.signer.pem)
  const built = options.packages.map((spec) => {
    const apk = buildApk(spec, options.signer)
    writeFileSync(`${main}/${spec.name}-${spec.version ?? "1.0-r0"}.apk`, apk.bytes)
    return apk
  })
  writeFileSync(`${main}/APKINDEX.tar.gz`, buildIndex(built.map(({ record }) => record), options.signer))
  writeFileSync(`${community}/APKINDEX.tar.gz`, buildIndex([], options.signer, "RSA256"))
}
