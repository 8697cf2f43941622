/** Checks a request for a root tree, before anything is done. */
import * as Effect from "effect/Effect"
import type { ArchiveSource } from "./Archives.ts"
import { type BuildError, buildError } from "./BuildError.ts"
import type { Distribution } from "./dist/Distribution.ts"
import { distributionNames, findDistribution } from "./dist/Distributions.ts"
import type { TreeOptions } from "./Mmdebstrap.ts"
import type { RootSource } from "./Root.ts"

const refused = (detail: string) => buildError("Refused", { detail })

/**
 * A tree of a distribution's packages; its default release if none is named. Fails with `BuildError` for an invalid release
 * or package, and for options that the distribution does not support.
 */
export const packagesRoot = Effect.fnUntraced(function*(
  name: string,
  options: Omit<TreeOptions, "suite"> & { readonly suite?: string }
): Effect.fn.Return<RootSource, BuildError> {
  const distribution = findDistribution(name)
  if (distribution === undefined) return yield* refused(`${name} is not one of ${distributionNames.join(", ")}`)
  if (distribution.manager._tag === "None") {
    const { include, keyring, mirror, suite } = options
    if (suite !== undefined || include.length > 0 || mirror !== undefined || keyring !== undefined) {
      return yield* refused(`${name} has no releases and no packages`)
    }
    return { _tag: "Blueprint" }
  }
  const { otherSuites, suites } = distribution
  const suite = options.suite ?? suites[0] ?? ""
  if (suite !== (suites[0] ?? "") && !suites.includes(suite) && otherSuites?.test(suite) !== true) {
    return yield* refused(
      suites.length === 0
        ? `${name} has no releases to choose from`
        : `the suite ${suite} is not one of ${suites.join(", ")}${otherSuites === undefined ? "" : " and their like"}`
    )
  }
  const strange = options.include.find((name) => !distribution.packageName.test(name))
  if (strange !== undefined) return yield* refused(`${JSON.stringify(strange)} is not the name of a package`)
  return { _tag: "Packages", distribution, options: { ...options, suite } }
})

/**
 * A tree from an archive, with the layout of the distribution if one is named. The distribution's keys check a signature if
 * no others are named. Fails with `BuildError`.
 */
export const archiveRoot = Effect.fnUntraced(function*(
  distribution: Distribution | undefined,
  archive: ArchiveSource
): Effect.fn.Return<RootSource, BuildError> {
  if (archive.sha256 !== undefined && !/^[0-9a-fA-F]{64}$/.test(archive.sha256)) {
    return yield* refused(`${archive.sha256} is no SHA-256: 64 hexadecimal digits`)
  }
  if (archive.keyring !== undefined && archive.signature === undefined) {
    return yield* refused("a keyring is of use only with a signature")
  }
  const { manager } = distribution ?? {}
  const known = manager === undefined || manager._tag === "None" || manager._tag === "Apk"
    ? undefined
    : manager.keyrings[0]
  const keyring = archive.keyring ?? (archive.signature === undefined ? undefined : known)
  const strip = archive.strip ?? distribution?.archiveStrip ?? 0
  const { strip: _strip, ...rest } = archive
  return {
    _tag: "Given",
    archive: { ...rest, ...(keyring === undefined ? {} : { keyring }), ...(strip === 0 ? {} : { strip }) }
  }
})
