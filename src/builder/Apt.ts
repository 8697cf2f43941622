import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"
import { atPath, BuildError, buildError } from "./BuildError.ts"
import { verifyFile } from "./Digest.ts"
import type { Package, Source } from "./Lock.ts"
import { type Archive, Mirror, type Sources } from "./Mirror.ts"
import { Programs } from "./Programs.ts"
import { replacePath } from "./Replace.ts"
import { Workspace } from "./Workspace.ts"

const archives: ReadonlyArray<Archive> = ["debian", "debian-security"]

/** Lists of binary packages, or of source packages. */
type ListKind = "deb" | "deb-src"

/** Lines of `sources.list` for one suite, with security updates where the machine has a mirror of them. */
export const sourceLines = (
  sources: Sources,
  suite: string,
  signedBy: boolean,
  components: ReadonlyArray<string> = ["main"],
  kind: ListKind = "deb"
): ReadonlyArray<string> =>
  archives.flatMap((archive) => {
    const uri = sources.mirrors[archive]
    const options = signedBy ? `[signed-by=${sources.keyring}] ` : ""
    const release = archive === "debian" ? suite : `${suite}-security`
    return uri === undefined ? [] : [`${kind} ${options}${uri} ${release} ${components.join(" ")}`]
  })

/** Parses the paragraphs of a Debian control file. Continuation lines are dropped. */
export const parseParagraphs = (text: string): ReadonlyArray<Readonly<Record<string, string>>> =>
  text.split(/\n{2,}/).filter((paragraph) => paragraph.trim() !== "").map((paragraph) =>
    Object.fromEntries(
      paragraph.split("\n").flatMap((line) => {
        const colon = line.indexOf(":")
        return colon <= 0 || /^\s/.test(line) ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]]
      })
    )
  )

/** One file in the output of `apt-get source --print-uris`. */
const sourceLine = /^'(\S+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$/

/** The original archive of a source package: a pin without the fields that come from elsewhere. */
export interface SourceArchive {
  readonly archive: Archive
  readonly version: string
  readonly file: string
  readonly size: number
  readonly sha256: string
}

/**
 * Finds the original archive in the output of `apt-get source --print-uris`.
 *
 * @param output the output
 * @param mirrors the mirrors of this machine
 * @returns `undefined` if there is no archive, or none of a known mirror
 */
export const parseSourceUris = (output: string, mirrors: Sources["mirrors"]): SourceArchive | undefined => {
  for (const line of output.split("\n")) {
    const [, uri = "", name = "", size = "", sha256 = ""] = sourceLine.exec(line) ?? []
    const version = /^[^_]+_([^_]+)\.orig\.tar\.(?:gz|xz)$/.exec(name)?.[1]
    const archive = archives.find((archive) => mirrors[archive] !== undefined && uri.startsWith(`${mirrors[archive]}/`))
    if (version === undefined || archive === undefined) continue
    return { archive, version, file: uri.slice(`${mirrors[archive]}/`.length), size: Number(size), sha256 }
  }
  return undefined
}

const isTransportSetting = (line: string) =>
  /^Acquire::(https?::|Retries|Check-Valid-Until|Check-Date|ForceIPv[46])/.test(line)

/**
 * The architectures whose packages apt sees. The first one applies to names without an architecture. By default the
 * machine's.
 */
export type Architectures = ReadonlyArray<Package["architecture"]>

/** apt with its own configuration, lists and caches: it neither reads nor changes packages of the machine. */
export class Apt extends Context.Service<Apt, {
  /** Lines of a configuration with this machine's network settings, such as proxies. */
  readonly transport: Effect.Effect<ReadonlyArray<string>, BuildError>
  /** The environment of an apt that sees only one suite. Fails with `BuildError`. */
  readonly environment: (
    suite: string,
    architectures?: Architectures
  ) => Effect.Effect<Record<string, string>, BuildError>
  /** Fetches the lists of a suite. */
  readonly update: (suite: string, architectures?: Architectures) => Effect.Effect<void, BuildError>
  /** The newest version of each package and of all it depends on, as paragraphs of the suite's list. */
  readonly closure: (
    suite: string,
    names: ReadonlyArray<string>,
    architectures?: Architectures
  ) => Effect.Effect<ReadonlyArray<Readonly<Record<string, string>>>, BuildError>
  /** The newest original archive of a source package, and its homepage. Fails with `BuildError` when the suite has none. */
  readonly source: (
    suite: string,
    name: string
  ) => Effect.Effect<SourceArchive & { readonly homepage: string }, BuildError>
  /** Downloads a pinned package or source unless it is cached, and always verifies it. Returns its path in the cache. */
  readonly fetch: (pinned: Package | Source) => Effect.Effect<string, BuildError>
}>()("flatimage/builder/Apt") {
  static readonly layer = Layer.effect(
    Apt,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const workspace = yield* Workspace
      const programs = yield* Programs
      const mirror = yield* Mirror

      const transport = yield* Effect.cached(
        Effect.map(programs.run("apt-config", ["dump"]), (text) => text.split("\n").filter(isTransportSetting))
      )

      const seeing = Effect.fnUntraced(function*(suite: string, architectures: Architectures, kind: ListKind) {
        const sources = yield* mirror.sources
        const name = [suite, ...architectures, ...(kind === "deb" ? [] : ["sources"])].join("-")
        const home = yield* workspace.directory("cache", "apt", name)
        const empty = yield* workspace.directory("cache", "apt", name, "empty")
        yield* workspace.directory("cache", "apt", name, "state", "lists", "partial")
        yield* workspace.directory("cache", "apt", name, "cache", "archives", "partial")
        const configuration = [
          `Dir::Etc::main "/dev/null";`,
          `Dir::Etc::parts "${empty}";`,
          `Dir::Etc::sourcelist "${home}/sources.list";`,
          `Dir::Etc::sourceparts "-";`,
          `Dir::Etc::preferences "/dev/null";`,
          `Dir::Etc::preferencesparts "${empty}";`,
          `Dir::State "${home}/state";`,
          `Dir::State::status "${home}/status";`,
          `Dir::Cache "${home}/cache";`,
          // The binary caches take 80 MB and save only a second.
          `Dir::Cache::pkgcache "";`,
          `Dir::Cache::srcpkgcache "";`,
          `Dir::Log "${home}/log";`,
          // apt's unprivileged user cannot enter a home directory. The downloads are signed and pinned.
          `APT::Sandbox::User "root";`,
          `Acquire::Languages "none";`,
          `Acquire::GzipIndexes "true";`,
          ...(architectures.length === 0 ? [] : [
            `APT::Architecture "${architectures[0]}";`,
            `APT::Architectures { ${architectures.map((architecture) => `"${architecture}"; `).join("")}};`
          ]),
          ...(yield* transport)
        ].join("\n")
        const lines = sourceLines(sources, suite, true, ["main"], kind).join("\n")
        yield* fs.writeFileString(`${home}/status`, "").pipe(atPath(`${home}/status`))
        yield* fs.writeFileString(`${home}/sources.list`, `${lines}\n`).pipe(atPath(`${home}/sources.list`))
        yield* fs.writeFileString(`${home}/apt.conf`, `${configuration}\n`).pipe(atPath(`${home}/apt.conf`))
        return { APT_CONFIG: `${home}/apt.conf` }
      })

      const environment = Effect.fn("Apt.environment")(
        (suite: string, architectures: Architectures = []) => seeing(suite, architectures, "deb")
      )

      const refresh = (env: Record<string, string>) =>
        programs.run("apt-get", ["update", "--quiet", "--error-on=any"], { env })

      const update = Effect.fn("Apt.update")(function*(suite: string, architectures: Architectures = []) {
        yield* refresh(yield* environment(suite, architectures))
      })

      const source = Effect.fn("Apt.source")(function*(suite: string, name: string) {
        const env = yield* seeing(suite, [], "deb-src")
        yield* refresh(env)
        const uris = yield* programs.run("apt-get", ["source", "--print-uris", "--only-source", name], { env })
        const found = parseSourceUris(uris, (yield* mirror.sources).mirrors)
        if (found === undefined) {
          return yield* buildError("Refused", { detail: `${suite} has no original source archive of ${name}` })
        }
        const described = parseParagraphs(yield* programs.run("apt-cache", ["showsrc", "--only-source", name], { env }))
        return { ...found, homepage: described[0]?.["Homepage"] ?? "" }
      })

      const closure = Effect.fn("Apt.closure")(function*(
        suite: string,
        names: ReadonlyArray<string>,
        architectures: Architectures = []
      ) {
        const env = yield* environment(suite, architectures)
        const simulated = yield* programs.run(
          "apt-get",
          ["install", "--simulate", "--quiet", "--no-install-recommends", ...names],
          { env }
        )
        const wanted = [...simulated.matchAll(/^Inst (\S+) \(([^\s]+) /gm)].map((match) => `${match[1]}=${match[2]}`)
        return parseParagraphs(yield* programs.run("apt-cache", ["show", "--no-all-versions", ...wanted], { env }))
      })

      const fetch = Effect.fn("Apt.fetch")(function*(pinned: Package | Source) {
        const isPackage = "architecture" in pinned
        const directory = yield* workspace.directory("cache", isPackage ? "debs" : "sources")
        const kind = isPackage ? "deb" : pinned.file.slice(pinned.file.lastIndexOf(".tar.") + 1)
        const path = `${directory}/${sha256(native, pinned.sha256 + pinned.file).slice(0, 12)}-${pinned.name}.${kind}`
        if (yield* fs.exists(path).pipe(atPath(path))) {
          yield* verifyFile(fs, native, path, pinned.sha256)
          return path
        }
        const uri = (yield* mirror.sources).mirrors[pinned.archive]
        if (uri === undefined) {
          return yield* buildError("NoMirror", {
            detail: `${pinned.name} is in the archive ${pinned.archive}, of which apt of this machine uses no mirror`
          })
        }
        const env = yield* environment(pinned.suite)
        yield* replacePath(fs, path, (temporary) =>
          programs.run("/usr/lib/apt/apt-helper", [
            "download-file",
            `${uri}/${pinned.file}`,
            temporary,
            `SHA256:${pinned.sha256}`
          ], { env }).pipe(
            Effect.mapError((error) =>
              error.reason._tag === "ProgramFailed" && /404|Not Found/.test(error.reason.output)
                ? buildError("PackageGone", { name: pinned.name, version: pinned.version, detail: "404 Not Found" })
                : error
            ),
            Effect.andThen(verifyFile(fs, native, temporary, pinned.sha256))
          ))
        return path
      })

      return Apt.of({ transport, environment, update, closure, source, fetch })
    })
  )
}
