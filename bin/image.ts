/**
 * The boot program: what the launcher at the head of an image starts. It gives the phases what they need of the process
 * and turns the outcome into an exit code.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Request from "../src/cli/Request.ts"
import { exitCode, reportOf } from "../src/Failure.ts"
import * as Log from "../src/Log.ts"
import * as LogFile from "../src/platform/engine/LogFile.ts"
import * as Output from "../src/platform/engine/Output.ts"
import * as OwnHost from "../src/platform/engine/OwnHost.ts"
import { Host } from "../src/relocate/Host.ts"

const host = OwnHost.make()

const request = Request.parse(host.args)
const isCommand = request._tag === "Success" && request.success._tag === "Command"
const isDebug = host.environment["FIM_DEBUG"] === "1"

/** Lines for the log file, and, once it is open, the file. */
let logged: Array<string> | ((line: string) => void) = []

const sink: Log.Sink = {
  file: (line) => {
    if (typeof logged === "function") logged(line)
    else logged.push(line)
  },
  // Where a program runs, standard output is the program's.
  output: Output.write(isCommand ? Output.output : Output.error),
  error: Output.write(Output.error),
  ...(isDebug ? { elapsed: OwnHost.elapsed } : {})
}
const level = isDebug ? "Debug" : isCommand ? "Info" : "Fatal"

const surroundings = Layer.mergeAll(
  Layer.succeed(Host, host),
  Layer.succeed(Log.LogFile, {
    open: (path) =>
      Effect.map(LogFile.open(path), (write) => {
        const lines = typeof logged === "function" ? [] : logged
        logged = write
        for (const line of lines) sink.file(line)
      })
  }),
  Log.layer(level, sink),
  Output.layer
)

/** What a program needs and what a command needs are loaded apart: neither waits for the other's. */
const main = Effect.gen(function*() {
  const parsed = yield* Effect.fromResult(request)
  if (parsed._tag === "Command") {
    const { command } = yield* Effect.promise(() => import("./command.ts"))
    return yield* command(parsed.args)
  }
  const { run, runChanged } = yield* Effect.promise(() => import("./run.ts"))
  return yield* parsed._tag === "Run" ? runChanged(parsed.args) : run(parsed)
}).pipe(Effect.provide(surroundings))

const runMain = Runtime.makeRunMain(({ fiber }) => {
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit)) OwnHost.exit(Output.exitCode(Number(exit.value), exitCode))
    if (isDebug && Cause.hasDies(exit.cause)) {
      for (const line of Cause.pretty(exit.cause).split("\n")) sink.error(`D::${line}`)
    }
    const report = reportOf(Cause.squash(exit.cause))
    for (const line of report.lines) sink.error(`E::${line.replaceAll("\n", " ")}`)
    OwnHost.exit(report.exitCode ?? exitCode)
  })
})

runMain(main, { disableErrorReporting: true })
