import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { sha256OfFile } from "./Digest.ts"
import { Download } from "./Download.ts"
import { Gpgv } from "./Gpgv.ts"
import type { Report } from "./Progress.ts"
import { replacePath } from "./Replace.ts"
import { Workspace } from "./Workspace.ts"

/** An archive of a root tree, and how to verify it. */
export interface ArchiveSource {
  /** Path or URL. */
  readonly path: string
  /** Hexadecimal digits. */
  readonly sha256?: string
  /** Path or URL of a detached OpenPGP signature, and the keys that may have made it. */
  readonly signature?: string
  readonly keyring?: string
  /** How many parent directories the tree has in the archive. */
  readonly strip?: number
}

/** Whether a text begins with a URL scheme, so that it is not a path. */
export const isUrl = (text: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(text)

/** Limits of an archive and of a signature, in bytes. */
const archiveLimit = 8 * (1 << 30)
const signatureLimit = 64 << 10

/** Fetches archives of root trees. Reads nothing in them before they are verified. */
export class Archives extends Context.Service<Archives, {
  /**
   * Returns the path of a verified archive: its own path, or that of the download in the cache. Fails with `BuildError` if
   * checksum or signature do not match, and for a URL without either.
   */
  readonly verified: (source: ArchiveSource, report: Report) => Effect.Effect<string, BuildError>
}>()("flatimage/builder/Archives") {
  static readonly layer = Layer.effect(
    Archives,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const download = yield* Download
      const gpgv = yield* Gpgv
      const workspace = yield* Workspace

      const cached = Effect.fnUntraced(function*(url: string, name: string, limit: number, report?: Report) {
        if (!/^(https?|file):\/\//.test(url)) {
          return yield* buildError("Refused", { detail: `${url} is not http://…, https://… or file:///…` })
        }
        const path = `${yield* workspace.directory("cache", "archives")}/${
          sha256(native, `${url} ${name}`).slice(0, 16)
        }`
        if (!(yield* fs.exists(path).pipe(atPath(path)))) {
          yield* replacePath(
            fs,
            path,
            (temporary) => download.fetch(url, temporary, { limit, ...(report === undefined ? {} : { report }) })
          )
        }
        return path
      })

      const check = Effect.fnUntraced(function*(source: ArchiveSource, path: string) {
        const expected = source.sha256?.toLowerCase()
        const actual = expected === undefined ? undefined : yield* sha256OfFile(fs, native, path)
        if (actual !== expected) {
          return yield* buildError("Untrusted", {
            path: source.path,
            detail: `its SHA-256 is ${actual}, not ${expected}`
          })
        }
        if (source.signature === undefined) return
        if (source.keyring === undefined) {
          return yield* buildError("Refused", {
            detail: "a signature needs the keys that may make it: add --keyring PATH"
          })
        }
        const signature = isUrl(source.signature)
          ? yield* cached(source.signature, "", signatureLimit)
          : source.signature
        yield* fs.access(signature, { readable: true }).pipe(atPath(signature))
        yield* gpgv.verify(path, signature, source.keyring).pipe(
          // A wrong signature is fetched again next time: the mirror may have been between two versions.
          Effect.tapError(() => signature === source.signature ? Effect.void : Effect.ignore(fs.remove(signature)))
        )
      })

      const verified = Effect.fn("Archives.verified")(function*(source: ArchiveSource, report: Report) {
        const remote = isUrl(source.path)
        if (remote && source.sha256 === undefined && source.signature === undefined) {
          return yield* buildError("Refused", {
            detail:
              `${source.path} is trusted only with a checksum or a signature: add --sha256 DIGITS or --signature FILE|URL`
          })
        }
        // Another checksum means that other bytes are wanted.
        const path = remote
          ? yield* cached(source.path, source.sha256?.toLowerCase() ?? "", archiveLimit, report)
          : source.path
        const forget = remote ? Effect.ignore(fs.remove(path, { force: true })) : Effect.void
        yield* Effect.tapError(check(source, path), () => forget)
        return path
      })

      return Archives.of({ verified })
    })
  )
}
