/** fim-boot: the program that starts when the caller names no command. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Boot, Extension } from "../../image/Settings.ts"
import { defaults } from "../../image/SettingsDefaults.ts"
import { printJson } from "./Output.ts"

/** Without what a container says about the caller's arguments. They are appended to a command that a user sets. */
const appending = ({ container, ...extension }: Extension): Extension => {
  const { arguments: _arguments, replaceable: _replaceable, ...rest } = container ?? {}
  return container === undefined ? extension : { ...extension, container: rest }
}

const store = Effect.fnUntraced(function*(boot: Boot) {
  const space = yield* ReservedSpace
  const { container } = yield* space.read("extension")
  // First: an old command with no default arguments is closer to both than a new one with those of the old.
  if ((container?.arguments ?? container?.replaceable) !== undefined) yield* space.update("extension", appending)
  yield* space.write("boot", boot)
})

export const set = Effect.fn("fim-boot.set")(
  (input: { readonly program: string; readonly arguments: ReadonlyArray<string> }) =>
    store({ program: input.program, args: input.arguments })
)

export const show = Effect.fn("fim-boot.show")(function*() {
  const space = yield* ReservedSpace
  const boot = yield* space.read("boot")
  const { container } = yield* space.read("extension")
  yield* printJson({
    ...boot,
    ...(container?.arguments === undefined ? {} : { defaultArgs: container.arguments }),
    ...(container?.replaceable === true ? { replaceable: true } : {})
  })
})

export const clear = Effect.fn("fim-boot.clear")(() => store(defaults.boot))
