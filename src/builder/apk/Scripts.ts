/** Runs the scripts of packages in their tree. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { BuildError } from "../BuildError.ts"
import { removeInTree, writeInTree } from "../PackageTree.ts"
import type { Installed } from "./Database.ts"
import type { ScriptName } from "./Package.ts"

/** Directory of the scripts while they run, as in apk. */
const place = "lib/apk/exec"

/** A pattern in which `*` and `?` do not match a slash. */
const patternOf = (text: string): RegExp =>
  new RegExp(
    `^${
      text.replace(/^\/+|\/+$/g, "").replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", "[^/]*")
        .replaceAll("?", "[^/]")
    }$`
  )

/** Directories into which packages were unpacked, without slashes at their ends. */
const directoriesOf = (installed: ReadonlyArray<Installed>): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const { name, type } of installed.flatMap(({ members }) => members)) {
    const path = name.replace(/^(\.\/)+/, "").replace(/\/+$/, "")
    found.add(type === "d" ? path : path.slice(0, Math.max(0, path.lastIndexOf("/"))))
  }
  return [...found]
}

/**
 * Runs the scripts of installed packages, in the order of installation: first those that create users, then those that
 * configure the packages, finally the triggers. As in apk, a failed script does not undo the installation.
 *
 * @param run runs a command in the tree
 * @param tree directory of the tree
 * @param installed the packages, in order
 * @returns a message for each failed script; fails with `BuildError` if the scripts cannot be written
 */
export const runScripts = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  run: (args: ReadonlyArray<string>) => Effect.Effect<string, BuildError>,
  tree: string,
  installed: ReadonlyArray<Installed>
) {
  const directories = directoriesOf(installed)
  const problems: Array<string> = []
  const runOne = Effect.fnUntraced(function*({ verified }: Installed, name: ScriptName) {
    const script = verified.scripts.get(name)
    if (script === undefined) return
    const patterns = verified.triggers.map(patternOf)
    const args = name === "trigger"
      ? directories.filter((path) => patterns.some((pattern) => pattern.test(path))).map((path) => `/${path}`)
      : [verified.package.version]
    if (args.length === 0) return
    const file = `${place}/${verified.package.name}-${verified.package.version}.${name}`
    yield* writeInTree(fs, tree, [file, script, 0o755])
    const result = yield* Effect.result(run([`/${file}`, ...args]))
    if (result._tag === "Failure") {
      problems.push(`the script ${name} of ${verified.package.name} failed: ${result.failure.message}`)
    }
  })
  for (const name of ["pre-install", "post-install", "trigger"] as const) {
    for (const item of installed) yield* runOne(item, name)
  }
  yield* removeInTree(fs, tree, place)
  return problems
})
