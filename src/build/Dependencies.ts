import type { Dependency } from "../image/Manifest.ts"
import type { Closure } from "./Closure.ts"
import { toolSources } from "./Toolbox.ts"

/** Where the text of a licence with an SPDX name can be read. */
const licenseUrl = (name: string): string =>
  name.startsWith("LicenseRef-") ? "" : `https://spdx.org/licenses/${name.split(" ")[0]}.html`

/** What `fim-version deps` prints of Debian's tools: the checksum is that of the program itself. */
export const dependenciesOf = (closure: Closure): Readonly<Record<string, Dependency>> =>
  Object.fromEntries(
    toolSources.flatMap((tool) => {
      const file = closure.files.find((candidate) => candidate.path === `bin/${tool.name}`)
      const pinned = closure.packages.find((candidate) => candidate.name === tool.package)
      if (file === undefined || pinned === undefined) return []
      return [[tool.dependency, {
        version: pinned.version,
        source: pinned.homepage,
        sha: file.sha256,
        licenses: pinned.licenses.map((type) => ({ type, url: licenseUrl(type) }))
      }]]
    })
  )
