import type { Dependency } from "../image/Manifest.ts"
import type { Closure } from "./Closure.ts"
import type { Source } from "./Lock.ts"
import { bubblewrapSource, toolSources } from "./Toolbox.ts"

/** Where the text of a licence with an SPDX name can be read. */
const licenseUrl = (name: string): string =>
  name.startsWith("LicenseRef-") ? "" : `https://spdx.org/licenses/${name.split(" ")[0]}.html`

const licensesOf = (names: ReadonlyArray<string>): Dependency["licenses"] =>
  names.map((type) => ({ type, url: licenseUrl(type) }))

/** Our own programs, each under the name of the program that it replaces, where readers of the list expect it. */
const ownPrograms = [
  { path: "bin/fim", dependency: "ciopfs", source: "src/native/casefold", license: "Apache-2.0" },
  { path: "bin/mkdwarfs", dependency: "dwarfs_aio", source: "src/native/mkdwarfs", license: "GPL-3.0-only" }
]

/**
 * What `fim-version deps` prints of our own programs. In: what they were built from, and the programs of the image with
 * the checksum of each.
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

/** What `fim-version deps` prints of Debian's tools: the checksum is that of the program itself. */
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

/** What `fim-version deps` prints of bubblewrap: the archive that it was compiled from, and the checksum of the program. */
export const bubblewrapDependency = (source: Source, sha: string): Readonly<Record<string, Dependency>> => ({
  [bubblewrapSource.dependency]: {
    version: source.version,
    source: `${source.homepage}, ${source.file.slice(source.file.lastIndexOf("/") + 1)} with SHA-256 ${source.sha256}`,
    sha,
    licenses: licensesOf(source.licenses)
  }
})
