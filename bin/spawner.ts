/** Starts processes, for the boot program. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"

/** Loaded when the first process is started: a run needs none, its janitor is there already. */
export const layer = Layer.effect(
  ChildProcessSpawner.ChildProcessSpawner,
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const load = Effect.promise(() =>
      Promise.all([import("@effect/platform-node/NodeChildProcessSpawner"), import("@effect/platform-node/NodePath")])
    )
    const build = Effect.flatMap(load, ([{ layer }, path]) =>
      Layer.build(layer.pipe(
        Layer.provide(Layer.mergeAll(Layer.succeed(FileSystem.FileSystem, fileSystem), path.layer))
      )))
    return ChildProcessSpawner.make((command) =>
      Effect.flatMap(build, (context) => Context.get(context, ChildProcessSpawner.ChildProcessSpawner).spawn(command))
    )
  })
)
