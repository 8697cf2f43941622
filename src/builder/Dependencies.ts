import type { Dependency } from "../image/Manifest.ts"
import type { Closure } from "./Closure.ts"
import type { Source } from "./Lock.ts"
import { bubblewrapSource, toolSources } from "./Toolbox.ts"

/** URL of the text of a licence with an SPDX identifier. */
const licenseUrl = (name: string): string =>
  name.startsWith("LicenseRef-") ? "" : `https://spdx.org/licenses/${name.split(" ")[0]}.html`

const licensesOf = (names: ReadonlyArray<string>): Dependency["licenses"] =>
  names.map((type) => ({ type, url: licenseUrl(type) }))

/** Our own programs. Each has the name of the program that it replaces, because readers of the list expect that name. */
const ownPrograms = [
  { path: "bin/fim", dependency: "ciopfs", source: "src/native/casefold", license: "Apache-2.0" },
  { path: "bin/mkdwarfs", dependency: "dwarfs_aio", source: "src/native/mkdwarfs", license: "GPL-3.0-only" }
]

/**
 * The entries of `fim-version deps` for our own programs.
 *
 * @returns entries by name; `sha` is the checksum of the program
 */
export const ownDependencies = (
  revision: { readonly version: string; readonly commit: string },
  programs: ReadonlyArray<{ readonly path: string; readonly sha256: string }>
): Readonly<Record<string, Dependency>> =>
  Object.fromEntries(
    ownPrograms.flatMap(({ dependency, license, path, source }) => {
      const program = programs.find((candidate) => candidate.path === path)
      if (program === undefined) return []
      return [[dependency, {
        version: revision.version,
        source: `flatimage ${revision.commit}, ${source}`,
        sha: program.sha256,
        licenses: licensesOf([license])
      }]]
    })
  )

/** The entries of `fim-version deps` for Debian's tools. The checksum is that of the program itself. */
export const debianDependencies = (closure: Closure): Readonly<Record<string, Dependency>> =>
  Object.fromEntries(
    toolSources.flatMap((tool) => {
      const file = closure.files.find((candidate) => candidate.path === `bin/${tool.name}`)
      const pinned = closure.packages.find((candidate) => candidate.name === tool.package)
      if (file === undefined || pinned === undefined) return []
      return [[tool.dependency, {
        version: pinned.version,
        source: pinned.homepage,
        sha: file.sha256,
        licenses: licensesOf(pinned.licenses)
      }]]
    })
  )

/** The entry of `fim-version deps` for bubblewrap: the source archive, and the checksum of the program. */
export const bubblewrapDependency = (source: Source, sha: string): Readonly<Record<string, Dependency>> => ({
  [bubblewrapSource.dependency]: {
    version: source.version,
    source: `${source.homepage}, ${source.file.slice(source.file.lastIndexOf("/") + 1)} with SHA-256 ${source.sha256}`,
    sha,
    licenses: licensesOf(source.licenses)
  }
})
