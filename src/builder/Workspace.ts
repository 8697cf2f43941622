import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { atPath, type BuildError } from "./BuildError.ts"

/** The directories of the project, as absolute paths. */
export class Workspace extends Context.Service<Workspace, {
  /** The repository. */
  readonly root: string
  /** The directory of caches and compiled programs, which can be made again. */
  readonly build: string
  /** Creates `directory` in the build directory, with its parents, and returns its path. Fails with `BuildError`. */
  readonly directory: (...names: ReadonlyArray<string>) => Effect.Effect<string, BuildError>
}>()("flatimage/builder/Workspace") {
  static readonly layer = (options: { readonly root: string; readonly build: string }) =>
    Layer.effect(
      Workspace,
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        return Workspace.of({
          ...options,
          directory: Effect.fn("Workspace.directory")(function*(...names: ReadonlyArray<string>) {
            const path = [options.build, ...names].join("/")
            yield* fs.makeDirectory(path, { recursive: true }).pipe(atPath(path))
            return path
          })
        })
      })
    )
}
