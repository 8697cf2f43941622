/** A command of ours, as the boot program carries it out. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { buildInfo, change, read } from "../src/cli/Cli.ts"
import { settingsLayer } from "../src/ImageSettings.ts"
import * as Files from "./files.ts"
import * as Spawner from "./spawner.ts"

const platform = settingsLayer.pipe(
  Layer.provideMerge(Spawner.layer),
  Layer.provideMerge(Files.layer)
)

/** Carries out a command. In: its words. Those that only print do not wait for what the parser loads. */
export const command = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  if (yield* Effect.provide(read(words), buildInfo)) return
  const [path, stdio, terminal] = yield* Effect.promise(() =>
    Promise.all([
      import("@effect/platform-node/NodePath"),
      import("@effect/platform-node/NodeStdio"),
      import("@effect/platform-node/NodeTerminal")
    ])
  )
  yield* Effect.provide(change(words), Layer.mergeAll(buildInfo, path.layer, stdio.layer, terminal.layer))
}, Effect.provide(platform))
