/** Runs the cases on the platform of the boot program, and prints their outcomes as JSON. The engine's example `sources` runs it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Children from "../../src/platform/engine/Children.ts"
import * as Files from "../../src/platform/engine/Files.ts"
import * as Output from "../../src/platform/engine/Output.ts"
import * as OwnHost from "../../src/platform/engine/OwnHost.ts"
import * as Stdio from "../../src/platform/engine/Stdio.ts"
import { childCases } from "./ChildCases.ts"
import { fileCases } from "./FileCases.ts"
import { nameCases } from "./NameCases.ts"
import { outcome } from "./Outcome.ts"
import { timerCases } from "./TimerCases.ts"

const all = Effect.gen(function*() {
  for (const [name, operation] of [...fileCases, ...childCases, ...timerCases, ...nameCases]) {
    const exit = yield* Effect.exit(outcome(operation))
    const result = Exit.isSuccess(exit) ? exit.value : { died: Cause.pretty(exit.cause) }
    Output.write(Output.output)(JSON.stringify([name, result]))
  }
})

const main = Effect.provide(all, Layer.mergeAll(Files.layer, Children.layer, Stdio.layer, Path.layer))

Effect.runFork(main).addObserver((exit) => {
  if (Exit.isFailure(exit)) Output.write(Output.error)(Cause.pretty(exit.cause))
  OwnHost.exit(Exit.isSuccess(exit) ? 0 : 1)
})
