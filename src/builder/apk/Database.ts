/** Writes apk's database of the packages in a tree. With it, apk in the image can install more and upgrade. */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { NativeBytes } from "../../platform/NativeBytes.ts"
import * as Utf8 from "../../Utf8.ts"
import { atPath, buildError } from "../BuildError.ts"
import { writeInTree } from "../PackageTree.ts"
import type { Member } from "../TarMembers.ts"
import type { Verified } from "./Package.ts"
import { checksumOf } from "./Segments.ts"

/** A package and its unpacked members. */
export interface Installed {
  readonly verified: Verified
  readonly members: ReadonlyArray<Member>
}

/** Owner, group and permissions; empty if they are apk's defaults. */
const access = (letter: "M" | "a", info: FileSystem.File.Info): ReadonlyArray<string> => {
  const text = [
    Option.getOrElse(info.uid, () => 0),
    Option.getOrElse(info.gid, () => 0),
    (info.mode & 0o7777).toString(8)
  ].join(":")
  return text === (letter === "M" ? "0:0:755" : "0:0:644") ? [] : [`${letter}:${text}`]
}

const nameOf = (member: Member) => member.name.replace(/^(\.\/)+/, "").replace(/\/+$/, "")

/** The lines about a package's files: each directory with its content. */
const describeFiles = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  tree: string,
  members: ReadonlyArray<Member>
) {
  const directories = new Map<string, Array<string>>()
  const directory = (path: string) => {
    const before = directories.get(path)
    if (before !== undefined) return before
    const names: Array<string> = []
    directories.set(path, names)
    return names
  }
  for (const member of members) {
    const name = nameOf(member)
    if (member.type === "d") {
      directory(name)
      continue
    }
    // Devices are not unpacked.
    if (member.type === "c" || member.type === "b") continue
    const slash = name.lastIndexOf("/")
    directory(name.slice(0, Math.max(0, slash))).push(name.slice(slash + 1))
  }
  const native = yield* NativeBytes
  const lines: Array<string> = []
  for (const [path, names] of directories) {
    const at = path === "" ? tree : `${tree}/${path}`
    const info = yield* fs.stat(at).pipe(atPath(at))
    lines.push(`F:${path}`, ...access("M", info))
    for (const name of names) {
      const file = `${at}/${name}`
      const info = yield* fs.lstat(file).pipe(atPath(file))
      const isLink = info.type === "SymbolicLink"
      const content = isLink
        ? Utf8.encode(yield* fs.readLink(file).pipe(atPath(file)))
        : info.type === "File"
        ? yield* fs.readFile(file).pipe(atPath(file))
        : undefined
      lines.push(
        `R:${name}`,
        ...(isLink ? ["a:0:0:777"] : access("a", info)),
        ...(content === undefined ? [] : [`Z:${checksumOf(native, content)}`])
      )
    }
  }
  return lines
})

/** An archive of all scripts, with names that begin with package, version and checksum. */
const packScripts = (installed: ReadonlyArray<Installed>) =>
  Stream.fromIterable(
    installed.flatMap(({ verified }) =>
      [...verified.control].map(([name, content]) =>
        Tar.file(
          `${verified.package.name}-${verified.package.version}.${verified.package.checksum}${name}`,
          content,
          { mode: 0o755 }
        )
      )
    )
  ).pipe(
    Stream.pipeThroughChannel(Tar.encode()),
    Stream.runCollect,
    Effect.map(Bytes.concat),
    Effect.mapError((error) =>
      buildError("Refused", { detail: `the scripts cannot be stored: ${error.message}` }, error)
    )
  )

const list = (lines: ReadonlyArray<string>) => lines.map((line) => `${line}\n`).join("")

/** Writes the database of a tree. `installed` are its packages, `wanted` those that were requested by name. */
export const writeDatabase = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  tree: string,
  installed: ReadonlyArray<Installed>,
  options: {
    readonly wanted: ReadonlyArray<string>
    /** URLs of the repositories. */
    readonly repositories: ReadonlyArray<string>
    readonly architecture: string
  }
) {
  const records = yield* Effect.forEach(
    installed,
    ({ members, verified }) =>
      Effect.map(describeFiles(fs, tree, members), (lines) =>
        [
          verified.package.record,
          ...(verified.replaces.length === 0 ? [] : [`r:${verified.replaces.join(" ")}`]),
          ...lines
        ].join("\n"))
  )
  const triggers = installed.flatMap(({ verified }) =>
    verified.triggers.length === 0 ? [] : [`${verified.package.checksum} ${verified.triggers.join(" ")}`]
  )
  const files: ReadonlyArray<readonly [string, string | Uint8Array, number]> = [
    ["lib/apk/db/installed", list(records.map((record) => `${record}\n`)), 0o644],
    ["lib/apk/db/scripts.tar", yield* packScripts(installed), 0o644],
    ["lib/apk/db/triggers", list(triggers), 0o644],
    ["lib/apk/db/lock", "", 0o600],
    ["etc/apk/arch", list([options.architecture]), 0o644],
    ["etc/apk/world", list(options.wanted.toSorted()), 0o644],
    ["etc/apk/repositories", list(options.repositories), 0o644]
  ]
  for (const file of files) yield* writeInTree(fs, tree, file)
})
