/** What tests of commands across the wall share. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Failure } from "./Failure.ts"
import { type Place, place } from "./Place.ts"

/** A place whose image lets the guest run these programs of the host. */
export const open = (user: Parameters<typeof place>[0], ...programs: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const app = yield* place(user, { copy: true })
    const allowed = yield* app.run(["fim-portal", "allow", ...programs])
    assert.deepStrictEqual([allowed.code, allowed.stdout, allowed.stderr], [0, "", ""])
    return app
  })

/** Runs a script of the guest's shell. */
export const inGuest = (app: Place, script: string, options?: Parameters<Place["run"]>[1]) =>
  app.run(["fim-exec", "sh", "-c", script], options)

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
