import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type BuildError, buildError } from "./BuildError.ts"
import { Programs } from "./Programs.ts"

/** Debian's two archives. The second one has the security updates. */
export type Archive = "debian" | "debian-security"

/** The mirrors of Debian's packages; `undefined` for an archive that the machine does not use. */
export interface Sources {
  readonly keyring: string
  readonly mirrors: Readonly<Record<Archive, string | undefined>>
}

const keyrings = [
  "/usr/share/keyrings/debian-archive-keyring.pgp",
  "/usr/share/keyrings/debian-archive-keyring.gpg"
]

/** `'URI/dists/SUITE/InRelease' …`: the first lines of the output of `apt-get update --print-uris`. */
const releaseLine = /^'([^']+?)\/+dists\/([^/']+)\/(?:updates\/)?InRelease'/

const debianSuites = new Set(["bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing"])

/** Finds the mirrors in the URLs that apt would fetch, whatever the format of the machine's sources. */
export const parseReleaseUris = (output: string): Sources["mirrors"] => {
  const found: Record<Archive, string | undefined> = { "debian": undefined, "debian-security": undefined }
  for (const line of output.split("\n")) {
    const match = releaseLine.exec(line)
    const uri = match?.[1]
    const suite = match?.[2]
    if (uri === undefined || suite === undefined) continue
    if (debianSuites.has(suite)) found["debian"] ??= uri
    if (suite.endsWith("-security") && debianSuites.has(suite.slice(0, -"-security".length))) {
      found["debian-security"] ??= uri
    }
  }
  return found
}

/** Finds the mirrors of Debian that this machine uses. */
export class Mirror extends Context.Service<Mirror, {
  readonly sources: Effect.Effect<Sources, BuildError>
}>()("flatimage/builder/Mirror") {
  static readonly layer = Layer.effect(
    Mirror,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      const chosen = yield* Config.String("FLATIMAGE_MIRROR").pipe(Config.option)
      const chosenSecurity = yield* Config.String("FLATIMAGE_MIRROR_SECURITY").pipe(Config.option)

      const find = Effect.gen(function*() {
        const present = yield* Effect.filter(
          keyrings,
          (path) => fs.exists(path).pipe(Effect.orElseSucceed(() => false))
        )
        const keyring = present[0]
        if (keyring === undefined) {
          return yield* buildError("NoMirror", {
            detail: "the keys of Debian's archive are missing: install the package debian-archive-keyring"
          })
        }
        if (Option.isSome(chosen)) {
          return {
            keyring,
            mirrors: { "debian": chosen.value, "debian-security": Option.getOrUndefined(chosenSecurity) }
          }
        }
        const mirrors = parseReleaseUris(
          yield* programs.run("apt-get", ["update", "--print-uris"], {
            remedy: "the package apt is needed, on any distribution that has it"
          })
        )
        if (mirrors["debian"] === undefined) {
          return yield* buildError("NoMirror", {
            detail: "apt of this machine uses no mirror of Debian: set FLATIMAGE_MIRROR to the URI of one"
          })
        }
        return { keyring, mirrors }
      })

      return Mirror.of({ sources: yield* Effect.cached(find) })
    })
  )
}
