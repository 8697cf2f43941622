/** What tests of commands across the wall wait for. */
import * as Effect from "effect/Effect"
import { Failure } from "./Failure.ts"

/** Asks again and again until there is something. Fails when there is nothing for as long as anything here may take. */
export const eventually = <A>(what: string, ask: () => A | false | "" | undefined): Effect.Effect<A, Failure> =>
  Effect.gen(function*() {
    for (let round = 0; round < 1000; round++) {
      const answer = ask()
      if (answer !== false && answer !== "" && answer !== undefined) return answer
      yield* Effect.sleep("20 millis")
    }
    return yield* new Failure({ detail: `there never was ${what}` })
  })
