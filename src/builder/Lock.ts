import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { replaceFile } from "./Replace.ts"
import { Workspace } from "./Workspace.ts"

const Name = Schema.String.check(Schema.isPattern(/^[a-z0-9][a-z0-9+.-]+$/))

const origin = {
  name: Name,
  suite: Name,
  archive: Schema.Literals(["debian", "debian-security"]),
  version: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9.+:~-]+$/))
}

const content = {
  size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1 << 30 })),
  sha256: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
}

const about = { homepage: Schema.String, licenses: Schema.Array(Schema.String) }

/** A pinned Debian package. `file` is its path below the archive's root, `size` is in bytes. */
export const Package = Schema.Struct({
  ...origin,
  architecture: Schema.Literals(["amd64", "arm64"]),
  file: Schema.String.check(Schema.isPattern(/^pool\/(?!.*\.\.)[A-Za-z0-9/.+~_%-]+\.deb$/)),
  ...content,
  source: Name,
  ...about
})
export type Package = typeof Package.Type

/**
 * The pinned original source archive of a program. `file` and `size` are as in a package. `version` is upstream's, because
 * the archive has no changes of Debian.
 */
export const Source = Schema.Struct({
  ...origin,
  file: Schema.String.check(Schema.isPattern(/^pool\/(?!.*\.\.)[A-Za-z0-9/.+~_%-]+\.orig\.tar\.(gz|xz)$/)),
  ...content,
  ...about
})
export type Source = typeof Source.Type
const decodePackage = Schema.decodeUnknownEffect(Package)

/**
 * The package that a paragraph of a suite's list describes, without licences. Fails with `BuildError` if it is not valid.
 */
export const packageOf = (
  paragraph: Readonly<Record<string, string>>,
  suite: string,
  architecture: Package["architecture"]
): Effect.Effect<Package, BuildError> =>
  decodePackage({
    name: paragraph["Package"],
    suite,
    // All files of the security archive, and no others, are below this directory of the pool.
    archive: paragraph["Filename"]?.startsWith("pool/updates/") ? "debian-security" : "debian",
    version: paragraph["Version"],
    architecture,
    file: paragraph["Filename"],
    size: Number(paragraph["Size"]),
    sha256: paragraph["SHA256"],
    source: (paragraph["Source"] ?? paragraph["Package"] ?? "").split(" ")[0],
    homepage: paragraph["Homepage"] ?? "",
    licenses: []
  }).pipe(
    Effect.mapError((error) =>
      buildError("Refused", {
        detail: `${paragraph["Package"]} of ${suite} has an unexpected description: ${error.message}`
      })
    )
  )

/** The file `tools.lock.json`. */
export const LockFile = Schema.Struct({
  format: Schema.Literal(1),
  packages: Schema.Array(Package),
  sources: Schema.Array(Source)
})
export type LockFile = typeof LockFile.Type

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(LockFile))

/** The pinned packages of the tools. */
export class Lock extends Context.Service<Lock, {
  readonly path: string
  /** Fails with `BuildError` if the file is missing or not valid. */
  readonly read: Effect.Effect<LockFile, BuildError>
  readonly write: (lock: LockFile) => Effect.Effect<void, BuildError>
}>()("flatimage/builder/Lock") {
  static readonly layer = Layer.effect(
    Lock,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const workspace = yield* Workspace
      const path = `${workspace.root}/src/builder/tools.lock.json`
      return Lock.of({
        path,
        read: fs.readFileString(path).pipe(
          atPath(path),
          Effect.flatMap((text) =>
            Effect.mapError(decode(text), (error) => buildError("LockInvalid", { path, detail: error.message }, error))
          )
        ),
        write: (lock) => replaceFile(fs, path, new TextEncoder().encode(`${JSON.stringify(lock, null, 2)}\n`))
      })
    })
  )
}
