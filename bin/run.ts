/** A program in the sandbox, as the boot program runs it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { closeSync, createReadStream, readFileSync, writeSync } from "node:fs"
import * as Boot from "../src/Boot.ts"
import type { ProgramRequest } from "../src/cli/Request.ts"
import { JanitorLink, type Link } from "../src/mount/JanitorLink.ts"
import { attend, numbers, Signals, Suspend } from "../src/Signals.ts"
import * as Files from "./files.ts"
import * as Native from "./native.ts"
import * as Spawner from "./spawner.ts"

const signals = Layer.effect(
  Signals,
  Effect.gen(function*() {
    const queue = yield* Queue.make<number>()
    // What comes after the run, if anything does, gets them again as every program does.
    yield* Effect.forEach(Object.entries(numbers), ([name, number]) => {
      const listener = () => void Queue.offerUnsafe(queue, number)
      return Effect.acquireRelease(
        Effect.sync(() => process.on(name, listener)),
        () => Effect.sync(() => process.off(name, listener))
      )
    }, { discard: true })
    return Signals.of({ next: Queue.take(queue) })
  })
)

const failed = (method: string) => (cause: unknown) =>
  PlatformError.systemError({ _tag: "Unknown", module: "Janitor", method, cause })

/** The janitor that the launcher started: descriptors to write requests to and to read replies from. */
const janitorLink = (): Link | undefined => {
  const told = process.env["FIM_JANITOR"]?.match(/^(\d+),(\d+)$/)
  if (told === null || told === undefined) return undefined
  const [requests, replies] = [Number(told[1]), Number(told[2])]
  return {
    send: (bytes) =>
      Effect.try({
        try: () => {
          // A signal may cut a write short.
          for (let sent = 0; sent < bytes.length;) sent += writeSync(requests, bytes, sent)
        },
        catch: failed("send")
      }),
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

/** Whether this process is in the foreground of its terminal, where a shell may wait for it to stop. */
const isInForeground = (): boolean => {
  // Behind the name: state, parent, group, session, terminal, the terminal's foreground group.
  const [, , group, , , foreground] = readFileSync("/proc/self/stat", "latin1").split(") ").at(-1)?.split(" ") ?? []
  return group !== undefined && group === foreground
}

/** A guest that stops itself must not stop us where nobody could let us go on. */
const suspend = (asked: boolean) =>
  Effect.sync(() => {
    if (asked || isInForeground()) process.kill(process.pid, "SIGSTOP")
  })

const platform = Layer.mergeAll(
  Spawner.layer.pipe(Layer.provideMerge(Files.layer)),
  Native.layer,
  Layer.succeed(JanitorLink, janitorLink()),
  Layer.succeed(Suspend, suspend),
  signals
)

/** Runs the program that a request names. Out: its exit code. */
export const run = Effect.fnUntraced(function*(request: ProgramRequest) {
  const delivery = yield* Boot.noDelivery
  const program = Boot.run(request, delivery).pipe(Effect.provide(Boot.runLayer))
  return yield* Effect.raceFirst(program, attend(Ref.get(delivery)))
}, Effect.provide(platform))
