/** fim-boot: the program that starts when the caller names no command. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { defaults } from "../../image/SettingsDefaults.ts"
import { printJson } from "./Output.ts"

export const set = Effect.fn("fim-boot.set")(function*(
  input: { readonly program: string; readonly arguments: ReadonlyArray<string> }
) {
  yield* (yield* ReservedSpace).write("boot", { program: input.program, args: input.arguments })
})

export const show = Effect.fn("fim-boot.show")(function*() {
  yield* printJson(yield* (yield* ReservedSpace).read("boot"))
})

export const clear = Effect.fn("fim-boot.clear")(function*() {
  yield* (yield* ReservedSpace).write("boot", defaults.boot)
})
