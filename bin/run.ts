/** A program in the sandbox, as the boot program runs it. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Boot from "../src/Boot.ts"
import type { ProgramRequest } from "../src/cli/Request.ts"
import { RunChanges } from "../src/image/RunChanges.ts"
import * as Caller from "../src/platform/engine/Caller.ts"
import * as Children from "../src/platform/engine/Children.ts"
import * as Files from "../src/platform/engine/Files.ts"
import * as Native from "../src/platform/engine/Native.ts"
import { Host } from "../src/relocate/Host.ts"
import { attend } from "../src/Signals.ts"
import * as StopTimeout from "../src/StopTimeout.ts"

const platform = Layer.mergeAll(Children.layer, Files.layer, Native.layer, Caller.layer)

const start = Effect.fnUntraced(function*(request: ProgramRequest) {
  const { environment } = yield* Host
  const patience = yield* Effect.fromResult(StopTimeout.parse(environment["FIM_STOP_TIMEOUT"]))
  const delivery = yield* Boot.noDelivery
  const program = Boot.run(request, delivery).pipe(Effect.provide(Boot.runLayer))
  return yield* Effect.raceFirst(program, attend(Ref.get(delivery), patience))
})

/** Runs the program that a request names. Out: its exit code. */
export const run = (request: ProgramRequest) => Effect.provide(start(request), platform)

/** Runs the program that words behind `fim-run` name, with the changes that they ask for. Out: its exit code. */
export const runChanged = Effect.fnUntraced(function*(args: ReadonlyArray<Uint8Array>) {
  const { runRequest } = yield* Effect.promise(() => import("../src/cli/run/RunRequest.ts"))
  const { changes, request } = yield* runRequest(args)
  return yield* Effect.provideService(start(request), RunChanges, changes)
}, Effect.provide(platform))
