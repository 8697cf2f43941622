/** A command of ours, as the boot program carries it out. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { imageInfo, withGuest, withoutGuest } from "../src/cli/Cli.ts"
import { CommandError } from "../src/cli/config/CommandError.ts"
import { GuestRun } from "../src/cli/recipe/GuestRun.ts"
import { settingsLayer } from "../src/ImageSettings.ts"
import * as Children from "../src/platform/engine/Children.ts"
import * as Files from "../src/platform/engine/Files.ts"
import * as Native from "../src/platform/engine/Native.ts"
import { Host } from "../src/relocate/Host.ts"

const platform = settingsLayer.pipe(Layer.provideMerge(Layer.mergeAll(Children.layer, Files.layer, Native.layer)))

/** No janitor was started beside us: the run starts one. */
const guest = Layer.effect(
  GuestRun,
  Effect.map(Host, (host) => ({
    run: (request) =>
      Effect.promise(() => import("./run.ts")).pipe(
        Effect.flatMap(({ run }) => run(request)),
        Effect.provideService(Host, host),
        Effect.mapError(({ message }) =>
          new CommandError({ text: message, context: "Could not run a program in the guest" })
        )
      )
  }))
)

/** Carries out a command. In: its words. Those that need no guest do not wait for what one needs. Out: the exit code. */
export const command = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const code = yield* Effect.provide(withoutGuest(args), imageInfo)
  if (code !== undefined) return code
  const [path, stdio, terminal] = yield* Effect.promise(() =>
    Promise.all([
      import("effect/Path"),
      import("../src/platform/engine/Stdio.ts"),
      import("../src/platform/engine/Terminal.ts")
    ])
  )
  return yield* Effect.provide(
    withGuest(args),
    Layer.mergeAll(imageInfo, guest, path.layer, stdio.layer, terminal.layer)
  )
}, Effect.provide(platform))
