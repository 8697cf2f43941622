/**
 * The boot program: what the launcher at the head of an image starts. It gives the phases what they need of the process
 * and turns the outcome into an exit code.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import { closeSync, createReadStream, openSync, writeSync } from "node:fs"
import * as Boot from "../src/Boot.ts"
import * as Request from "../src/cli/Request.ts"
import { exitCode, reportOf } from "../src/Failure.ts"
import * as Log from "../src/Log.ts"
import { JanitorLink, type Link } from "../src/mount/JanitorLink.ts"
import { Host } from "../src/relocate/Host.ts"
import { attend, numbers, Signals } from "../src/Signals.ts"
import * as NodeHost from "./host.ts"

const host = NodeHost.make()

const signals = Layer.effect(
  Signals,
  Effect.gen(function*() {
    const queue = yield* Queue.make<number>()
    for (const [name, number] of Object.entries(numbers)) process.on(name, () => Queue.offerUnsafe(queue, number))
    return Signals.of({ next: Queue.take(queue) })
  })
)

/** Written at once: the process may end right after. A reader that has gone away is no reason to fail. */
const write = (descriptor: number) => (line: string) => {
  try {
    writeSync(descriptor, `${line}\n`)
  } catch {
    return
  }
}

const failed = (method: string) => (cause: unknown) =>
  PlatformError.systemError({ _tag: "Unknown", module: "Janitor", method, cause })

/** The janitor that the launcher started: descriptors to write requests to and to read replies from. */
const janitorLink = (): Link | undefined => {
  const told = process.env["FIM_JANITOR"]?.match(/^(\d+),(\d+)$/)
  if (told === null || told === undefined) return undefined
  const [requests, replies] = [Number(told[1]), Number(told[2])]
  return {
    send: (bytes) => Effect.try({ try: () => void writeSync(requests, bytes), catch: failed("send") }),
    replies: Stream.callback<Uint8Array, PlatformError.PlatformError>((queue) =>
      Effect.sync(() => {
        createReadStream("", { fd: replies })
          .on("data", (chunk) => Queue.offerUnsafe(queue, Buffer.from(chunk)))
          .on("end", () => Queue.endUnsafe(queue))
          .on("error", (cause) => Queue.failCauseUnsafe(queue, Cause.fail(failed("replies")(cause))))
      })
    ),
    end: Effect.sync(() => closeSync(requests))
  }
}

const request = Request.parse(host.words)
const isCommand = request._tag === "Success" && request.success._tag === "Command"
const isDebug = host.environment["FIM_DEBUG"] === "1"

/** Lines for the log file, and, once it is open, the file. */
let logged: Array<string> | ((line: string) => void) = []

const sink: Log.Sink = {
  file: (line) => {
    if (typeof logged === "function") logged(line)
    else logged.push(line)
  },
  output: write(1),
  error: write(2),
  ...(isDebug ? { elapsed: () => performance.now() } : {})
}
const level = isDebug ? "Debug" : isCommand ? "Info" : "Fatal"

/** Starts processes. Loaded when the first is started: a run needs none, its janitor is there already. */
const spawner = Layer.effect(
  ChildProcessSpawner.ChildProcessSpawner,
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const load = Effect.promise(() =>
      Promise.all([import("@effect/platform-node/NodeChildProcessSpawner"), import("@effect/platform-node/NodePath")])
    )
    const build = Effect.flatMap(load, ([{ layer }, path]) =>
      Layer.build(layer.pipe(
        Layer.provide(Layer.mergeAll(Layer.succeed(FileSystem.FileSystem, fileSystem), path.layer))
      )))
    return ChildProcessSpawner.make((command) =>
      Effect.flatMap(build, (context) => Context.get(context, ChildProcessSpawner.ChildProcessSpawner).spawn(command))
    )
  })
)

const platform = Layer.mergeAll(
  spawner.pipe(Layer.provideMerge(NodeFileSystem.layer)),
  Layer.succeed(Host, host),
  Layer.succeed(JanitorLink, janitorLink()),
  Layer.succeed(Log.LogFile, {
    open: (path) =>
      Effect.sync(() => {
        const lines = typeof logged === "function" ? [] : logged
        logged = write(openSync(path, "a", 0o600))
        for (const line of lines) sink.file(line)
      })
  }),
  signals,
  Log.layer(level, sink)
)

/** A command of ours. Programs do not wait for what it loads, and those that only print not for the parser. */
const command = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  const { buildInfo, change, read } = yield* Effect.promise(() => import("../src/cli/Cli.ts"))
  if (yield* Effect.provide(read(words), buildInfo)) return
  const [path, stdio, terminal] = yield* Effect.promise(() =>
    Promise.all([
      import("@effect/platform-node/NodePath"),
      import("@effect/platform-node/NodeStdio"),
      import("@effect/platform-node/NodeTerminal")
    ])
  )
  yield* Effect.provide(change(words), Layer.mergeAll(buildInfo, path.layer, stdio.layer, terminal.layer))
})

const main = Effect.gen(function*() {
  const parsed = yield* Effect.fromResult(request)
  if (parsed._tag === "Command") {
    return yield* Effect.as(command(parsed.words).pipe(Effect.provide(Boot.settingsLayer)), 0)
  }
  const delivery = yield* Boot.noDelivery
  const run = Boot.run(parsed, delivery).pipe(Effect.provide(Boot.runLayer))
  return yield* Effect.raceFirst(run, attend(Ref.get(delivery)))
}).pipe(Effect.provide(platform))

const runMain = Runtime.makeRunMain(({ fiber }) => {
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit)) process.exit(Number(exit.value))
    const report = reportOf(Cause.squash(exit.cause))
    for (const line of report.lines) sink.error(`E::${line.replaceAll("\n", " ")}`)
    process.exit(report.exitCode ?? exitCode)
  })
})

runMain(main, { disableErrorReporting: true })
