/** Makes the requests on the platform of the boot program, and prints their outcomes as JSON. Its argument is the server's address. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Output from "../../src/platform/engine/Output.ts"
import * as OwnHost from "../../src/platform/engine/OwnHost.ts"
import * as Utf8 from "../../src/Utf8.ts"
import { outcomes } from "./HttpCases.ts"

const base = Utf8.decode(OwnHost.make().args[0] ?? new Uint8Array())

Effect.runFork(outcomes(base)).addObserver((exit) => {
  if (Exit.isSuccess(exit)) Output.write(Output.output)(JSON.stringify(exit.value))
  else Output.write(Output.error)(Cause.pretty(exit.cause))
  OwnHost.exit(Exit.isSuccess(exit) ? 0 : 1)
})
