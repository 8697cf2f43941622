/** Debian's tools as the project's set-up has left them in its build directory. */
import { readdirSync } from "node:fs"
import type { Closure } from "../../src/build/Closure.ts"
import { projectRoot } from "./Project.ts"

export const closureOfProject = (): Closure => {
  const tools = `${process.env["FLATIMAGE_BUILD_DIRECTORY"] ?? `${projectRoot}/build`}/cache/tools`
  const name = readdirSync(tools).find((name) => !name.startsWith("."))
  if (name === undefined) throw new Error("the tools are not there: run bin/setup")
  return { directory: `${tools}/${name}`, files: [], applets: [], packages: [] }
}
