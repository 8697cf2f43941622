/** Which modules a start loads, and which an image has at all. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { projectRoot } from "../support/Project.ts"

/** Modules that another one imports: at once, or later. Types are not imported. */
const importsOf = (path: string, later: boolean): ReadonlyArray<string> => {
  const text = readFileSync(path, "utf8")
  const at = [...text.matchAll(/^(?:import|export) (?!type )(?:[^"]*? from )?"([^"]+)"/gm)]
  const called = later ? [...text.matchAll(/\bimport\("([^"]+)"\)/g)] : []
  return [...at, ...called].map(([, name = ""]) => name.startsWith(".") ? resolve(dirname(path), name) : name)
}

/** All modules that are loaded with one, by path or by name of their package. */
const loadedBy = (path: string, later: boolean): ReadonlySet<string> => {
  const seen = new Set<string>()
  const visit = (module: string): void => {
    if (seen.has(module)) return
    seen.add(module)
    if (module.endsWith(".ts")) importsOf(module, later).forEach(visit)
  }
  visit(resolve(projectRoot, path))
  return seen
}

const namesIn = (modules: ReadonlySet<string>, part: string) => [...modules].filter((name) => name.includes(part))

describe("an image", () => {
  it("does not contain effect/cli, not even for later", () => {
    const all = loadedBy("bin/image.ts", true)
    assert.isNotEmpty(namesIn(all, "cli/commands/Settings.ts"))
    assert.isNotEmpty(namesIn(all, "cli/grammar/completion/Script.ts"))
    assert.deepStrictEqual(namesIn(all, "effect/cli"), [])
  })

  it("starts a program without any command but the two that are programs' names", () => {
    for (const path of ["bin/image.ts", "bin/run.ts"]) {
      const modules = loadedBy(path, false)
      assert.deepStrictEqual(namesIn(modules, "cli/grammar").map((name) => name.slice(projectRoot.length + 1)), [])
      assert.isAtMost(namesIn(modules, "cli/commands").length, 1)
    }
  })

  it("prints settings without help, manual and completion", () => {
    const modules = loadedBy("bin/command.ts", false)
    assert.isNotEmpty(namesIn(modules, "cli/grammar/Parse.ts"))
    for (const part of ["HelpText", "ManualPage", "completion", "Tree.ts"]) {
      assert.deepStrictEqual(namesIn(modules, `cli/grammar/${part}`), [])
    }
  })

  it("is not the program of the host, which has effect/cli", () => {
    assert.isNotEmpty(namesIn(loadedBy("bin/build.ts", true), "effect/cli"))
  })
})
