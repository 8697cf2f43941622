import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { atPath } from "./BuildError.ts"
import type { Closure } from "./Closure.ts"
import { blueprintDirectories, blueprintFiles, blueprintLinks } from "./dist/Blueprint.ts"

/** Makes the tree of the blueprint in an empty directory: busybox, bash and the files that they read. */
export const makeBlueprint = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  closure: Closure,
  directory: string
) {
  for (const [path, mode] of blueprintDirectories) {
    yield* fs.makeDirectory(`${directory}/${path}`)
    // The builder's umask restricts the mode of makeDirectory.
    yield* fs.chmod(`${directory}/${path}`, mode)
  }
  for (const [path, target] of blueprintLinks) yield* fs.symlink(target, `${directory}/${path}`)
  for (const [path, content] of blueprintFiles) {
    yield* fs.writeFileString(`${directory}/${path}`, content)
    yield* fs.chmod(`${directory}/${path}`, 0o644)
  }
  for (const program of ["bash", "busybox"]) {
    yield* fs.copyFile(`${closure.directory}/bin/${program}`, `${directory}/usr/bin/${program}`)
    yield* fs.chmod(`${directory}/usr/bin/${program}`, 0o755)
  }
  for (const applet of closure.applets) {
    // bash itself has this name.
    if (applet !== "bash") yield* fs.symlink("busybox", `${directory}/usr/bin/${applet}`)
  }
}, (effect, _fs, _closure, directory) => atPath(directory)(effect))
