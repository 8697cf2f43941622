/** Fetches its arguments on Node as the command line of the host does, and prints what came of it as JSON. */
import * as Effect from "effect/Effect"
import { layer } from "../../bin/network.ts"
import { fetchAll } from "./NetworkCases.ts"

const outcomes = await Effect.runPromise(Effect.provide(fetchAll(process.argv.slice(2)), layer))
process.stdout.write(JSON.stringify(outcomes))
