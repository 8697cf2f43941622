/** Reads the terminal on the platform of the boot program. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Output from "../../src/platform/engine/Output.ts"
import * as OwnHost from "../../src/platform/engine/OwnHost.ts"
import * as Terminal from "../../src/platform/engine/Terminal.ts"
import * as Utf8 from "../../src/Utf8.ts"
import { read } from "./TerminalCases.ts"

const what = Utf8.decode(OwnHost.make().args[0] ?? new Uint8Array())

Effect.runFork(Effect.provide(read(what), Terminal.layer)).addObserver((exit) => {
  if (Exit.isFailure(exit)) Output.write(Output.error)(Cause.pretty(exit.cause))
  OwnHost.exit(Exit.isSuccess(exit) ? 0 : 1)
})
