/** Signals of this process, as effects to wait for. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as host from "fim:host"
import { whenReadable } from "./Loop.ts"

/** Calls a function with the number of each of these signals, instead of their default effect, until the scope closes. */
export const onSignals = (
  numbers: ReadonlyArray<number>,
  call: (number: number) => void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const descriptor = host.catchSignals(numbers)
      const cancel = whenReadable(descriptor, () => {
        for (let number = host.readSignal(descriptor); number !== 0; number = host.readSignal(descriptor)) call(number)
      })
      return () => {
        cancel()
        host.close(descriptor)
        host.releaseSignals(numbers)
      }
    }),
    (release) => Effect.sync(release)
  ).pipe(Effect.asVoid)
