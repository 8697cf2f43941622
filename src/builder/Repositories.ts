import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type BuildError, buildError } from "./BuildError.ts"
import type { Distribution } from "./dist/Distribution.ts"
import { Mirror } from "./Mirror.ts"

/** The options of a build that select where packages come from. By default the machine's own settings apply. */
export interface Origin {
  /** URL of a mirror: `http:`, `https:` or `file:`. */
  readonly mirror?: string
  /** Path of the keys that may sign: a file; for Alpine a directory too. */
  readonly keyring?: string
}

/** The mirrors and keys of a distribution. */
export interface Repository {
  /** URL without a slash at its end. */
  readonly mirror: string
  readonly keyring: string
  /** URL of Debian's security updates, if the machine's apt has one. */
  readonly security?: string
}

/** A space would end the URL in the settings of a package manager, and a bracket would begin an option. */
const mirrorUrl = /^(https?:\/\/[^\s/"'[\]\\$`;]+|file:\/\/)[^\s"'[\]\\$`;]*$/

const keyringPath = /^\/[^\s"'[\]\\$`;]+$/

const variable = (name: string) =>
  Effect.gen(function*() {
    return Option.getOrUndefined(yield* Config.String(name).pipe(Config.option))
  }).pipe(Effect.orElseSucceed(() => undefined))

/** Finds where the packages of a distribution come from, and which keys sign them. */
export class Repositories extends Context.Service<Repositories, {
  /** Fails with `BuildError` if no option names the mirror, or if there are no keys. */
  readonly find: (distribution: Distribution, origin: Origin) => Effect.Effect<Repository, BuildError>
}>()("flatimage/builder/Repositories") {
  static readonly layer = Layer.effect(
    Repositories,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const machine = yield* Mirror

      const keys = Effect.fnUntraced(function*(distribution: Distribution, given: string | undefined) {
        const { manager, name, title } = distribution
        const candidates = manager._tag === "None" ? [] : given === undefined ? manager.keyrings : [given]
        for (const path of candidates) {
          if (!(yield* fs.exists(path).pipe(Effect.orElseSucceed(() => false)))) continue
          if (keyringPath.test(path)) return path
          return yield* buildError("Refused", {
            detail: `the keyring ${path} is not an absolute path of plain characters`
          })
        }
        const remedy = manager._tag === "None" ? "" : manager.keyringPackage
        return yield* buildError("Refused", {
          detail: given !== undefined
            ? `the keyring ${given} does not exist`
            : `the keys that sign ${title} are missing: install the package ${remedy}, or name them by --keyring PATH ` +
              `or FLATIMAGE_KEYRING_${name.toUpperCase()}`
        })
      })

      const find = Effect.fn("Repositories.find")(function*(distribution: Distribution, origin: Origin) {
        const { manager, name, title } = distribution
        const upper = name.toUpperCase()
        const mirror = origin.mirror ?? (yield* variable(`FLATIMAGE_MIRROR_${upper}`))
        const given = origin.keyring ?? (yield* variable(`FLATIMAGE_KEYRING_${upper}`))
        if (mirror === undefined && manager._tag === "Apt" && manager.ofMachine) {
          const sources = yield* machine.sources
          const { "debian": uri, "debian-security": security } = sources.mirrors
          if (uri !== undefined) {
            const keyring = given === undefined ? sources.keyring : yield* keys(distribution, given)
            return { mirror: uri, keyring, ...(security === undefined ? {} : { security }) }
          }
        }
        if (mirror === undefined) {
          return yield* buildError("Refused", {
            detail: `no mirror of ${title} is known: name one by --mirror URL, by FLATIMAGE_MIRROR_${upper}, ` +
              "or as \"mirror\" in a definition file"
          })
        }
        if (!mirrorUrl.test(mirror)) {
          return yield* buildError("Refused", {
            detail: `${JSON.stringify(mirror)} is not the URL of a mirror: http://…, https://… or file:///…`
          })
        }
        return { mirror: mirror.replace(/\/+$/, ""), keyring: yield* keys(distribution, given) }
      })

      return Repositories.of({ find })
    })
  )
}
