/** Fetches its arguments on the platform of the boot program, and prints what came of it as JSON. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Output from "../../src/platform/engine/Output.ts"
import * as OwnHost from "../../src/platform/engine/OwnHost.ts"
import * as Utf8 from "../../src/Utf8.ts"
import { fetchAll } from "./NetworkCases.ts"

Effect.runFork(fetchAll(OwnHost.make().args.map(Utf8.decode))).addObserver((exit) => {
  if (Exit.isSuccess(exit)) Output.write(Output.output)(JSON.stringify(exit.value))
  else Output.write(Output.error)(Cause.pretty(exit.cause))
  OwnHost.exit(Exit.isSuccess(exit) ? 0 : 1)
})
