/** A mirror of packages for pacman, in its real formats, signed with a key of its own by gpg. */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { archive, entry } from "./Tar.ts"

export interface PacmanSpec {
  readonly name: string
  readonly version?: string
  readonly depends?: ReadonlyArray<string>
  readonly files?: ReadonlyArray<Buffer>
  /** Functions such as `post_install`. */
  readonly install?: string
}

/** A home of gpg with one secret key, and the public one in a file. */
export interface PgpSigner {
  readonly home: string
  readonly keyring: string
}

/** In: a directory that is short, for gpg makes sockets in it. */
export const newPgpSigner = (directory: string, name: string): PgpSigner => {
  const home = `${directory}/${name}`
  mkdirSync(home, { mode: 0o700, recursive: true })
  const gpg = (...words: ReadonlyArray<string>) =>
    execFileSync("gpg", ["--homedir", home, "--batch", "--quiet", ...words])
  gpg("--passphrase", "", "--quick-generate-key", `${name}@example.org`, "rsa2048", "sign", "never")
  const keyring = `${directory}/${name}.gpg`
  writeFileSync(keyring, gpg("--export"))
  return { home, keyring }
}

/** Ends what gpg has left running for a signer. */
export const endPgpSigner = ({ home }: PgpSigner): void => {
  execFileSync("gpgconf", ["--homedir", home, "--kill", "all"])
}

/** Makes a detached signature `FILE.sig`. */
export const signFile = (file: string, { home }: PgpSigner): void => {
  rmSync(`${file}.sig`, { force: true })
  execFileSync("gpg", ["--homedir", home, "--batch", "--quiet", "--detach-sign", "--output", `${file}.sig`, file])
}

const descriptionOf = (spec: PacmanSpec): string =>
  [
    `pkgname = ${spec.name}`,
    `pkgbase = ${spec.name}`,
    `pkgver = ${spec.version ?? "1.0-1"}`,
    `pkgdesc = the package ${spec.name}`,
    "url = https://example.org",
    "builddate = 1700000000",
    "packager = Test <test@example.org>",
    "size = 1000",
    "arch = any",
    "license = MIT",
    ...(spec.depends ?? []).map((name) => `depend = ${name}`),
    ""
  ].join("\n")

/** The record of a package in a database. */
const recordOf = (spec: PacmanSpec, file: string, bytes: Buffer): string =>
  [
    ["FILENAME", file],
    ["NAME", spec.name],
    ["BASE", spec.name],
    ["VERSION", spec.version ?? "1.0-1"],
    ["DESC", `the package ${spec.name}`],
    ["CSIZE", String(bytes.length)],
    ["ISIZE", "1000"],
    ["SHA256SUM", createHash("sha256").update(bytes).digest("hex")],
    ["ARCH", "any"],
    ["BUILDDATE", "1700000000"],
    ["PACKAGER", "Test <test@example.org>"],
    ...(spec.depends === undefined ? [] : [["DEPENDS", spec.depends.join("\n")]])
  ].map(([key, value]) => `%${key}%\n${value}\n`).join("\n")

/** Writes a mirror with the repositories core (all packages) and extra (none). */
export const writePacmanMirror = (mirror: string, packages: ReadonlyArray<PacmanSpec>, signer: PgpSigner): void => {
  for (const repository of ["core", "extra"]) {
    const directory = `${mirror}/${repository}/os/x86_64`
    mkdirSync(directory, { recursive: true })
    const records = (repository === "core" ? packages : []).flatMap((spec) => {
      const version = spec.version ?? "1.0-1"
      const name = `${spec.name}-${version}-any.pkg.tar.zst`
      const bytes = zstdCompressSync(archive(
        entry(".PKGINFO", "0", "", descriptionOf(spec), 0o644),
        ...(spec.install === undefined ? [] : [entry(".INSTALL", "0", "", spec.install, 0o644)]),
        ...(spec.files ?? [])
      ))
      writeFileSync(`${directory}/${name}`, bytes)
      signFile(`${directory}/${name}`, signer)
      const place = `${spec.name}-${version}`
      return [entry(`${place}/`, "5"), entry(`${place}/desc`, "0", "", recordOf(spec, name, bytes), 0o644)]
    })
    writeFileSync(`${directory}/${repository}.db`, gzipSync(archive(...records)))
  }
}
