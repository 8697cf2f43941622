/** Starts processes, for the boot program. What inherits a standard stream gets the caller's. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Output from "./output.ts"

/** Node takes the number of a descriptor where it takes "inherit", and Effect passes on what it does not know. */
const led = <Stream>(stream: Stream, descriptor: number): Stream =>
  stream === "inherit" ? { stream: descriptor } as Stream : stream

const onCallersStreams = (command: ChildProcess.Command): ChildProcess.Command =>
  ChildProcess.isStandardCommand(command)
    ? ChildProcess.make(command.command, command.args, {
      ...command.options,
      stdin: led(command.options.stdin, Output.input),
      stdout: led(command.options.stdout, Output.output),
      stderr: led(command.options.stderr, Output.error)
    })
    : command

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
      Effect.flatMap(
        build,
        (context) => Context.get(context, ChildProcessSpawner.ChildProcessSpawner).spawn(onCallersStreams(command))
      )
    )
  })
)
