/** What the project's set-up has left in its build directory: Debian's tools, and bubblewrap with the archive it was compiled from. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { Bubblewrap } from "../../src/builder/Bubblewrap.ts"
import type { Closure } from "../../src/builder/Closure.ts"
import type { LockFile } from "../../src/builder/Lock.ts"
import { projectRoot } from "./Project.ts"

const cache = (name: string): string =>
  `${process.env["FLATIMAGE_BUILD_DIRECTORY"] ?? `${projectRoot}/build`}/cache/${name}`

const first = (directory: string, name: (entry: string) => string): string => {
  const found = readdirSync(directory).map((entry) => `${directory}/${name(entry)}`).find((path) => existsSync(path))
  if (found === undefined) throw new Error(`nothing of the tools is in ${directory}: run bin/setup`)
  return found
}

export const closureOfProject = (): Closure => ({
  directory: first(cache("tools"), (key) => key.startsWith(".") ? "missing" : key),
  files: [],
  applets: [],
  packages: []
})

/** The pinned source of bubblewrap, and where the project keeps its archive. */
export const bubblewrapSource = () => {
  const lock = JSON.parse(readFileSync(`${projectRoot}/src/builder/tools.lock.json`, "utf8")) as LockFile
  const [source] = lock.sources
  if (source === undefined) throw new Error("the lock has no source of bubblewrap")
  return { source, archive: first(cache("sources"), (name) => name.includes("-bubblewrap.") ? name : "missing") }
}

/** bubblewrap as it was compiled for the project's images. */
export const ProjectBubblewrap = Layer.sync(Bubblewrap, () => {
  const program = Effect.sync(() => ({
    path: first(cache("bubblewrap"), (key) => `${key}/bwrap`),
    source: bubblewrapSource().source
  }))
  return Bubblewrap.of({ program, compiledBy: () => program })
})
