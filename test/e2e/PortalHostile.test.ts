import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { readdirSync, readFileSync, writeSync } from "node:fs"
import { type FalseCall, fill, flood, message, openFifo, portalOf, push, takeOver } from "../support/FalseDaemon.ts"
import { peakOf } from "../support/Memory.ts"
import { images, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { eventually } from "../support/Portal.ts"
import type { Running } from "../support/Process.ts"
import { self } from "../support/Users.ts"

/** More than a client needs, and much less than it would take if it kept what it is sent. */
const memory = 16 * 1024 * 1024

const started = message({ kind: "started" })

/** An instance whose guest is about to become hostile. */
const instance = Effect.gen(function*() {
  const app = yield* place(self, { fresh: true, copy: true })
  const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; read line"], { interactive: true })
  yield* running.says(/ready/)
  return { app, portal: portalOf(app), end: Effect.andThen(running.write("end\n"), running.outcome) }
})

/** A client on the host. Its standard input stays open. */
const client = (app: Place) => app.start(["fim-instance", "exec", "0", "cat"], { interactive: true })

/** Writes in one piece what a FIFO takes in one. */
const say = (call: FalseCall, ...messages: ReadonlyArray<Uint8Array>) =>
  Effect.sync(() => writeSync(call.reply, Buffer.concat(messages)))

const isStopped = (running: Running) => /^State:\tT/m.test(readFileSync(`/proc/${running.pid}/status`, "utf8"))

/** Asks for the end; gives how it ended, and after how many milliseconds. */
const ask = (running: Running, signal: NodeJS.Signals) =>
  Effect.gen(function*() {
    const since = performance.now()
    yield* running.signal(signal)
    const outcome = yield* running.outcome
    return { ...outcome, elapsed: performance.now() - since }
  })

describe("a guest that plays the daemon for a client on the host", () => {
  scenario("what makes no sense ends the call with 125, and is shown to nobody", images, () =>
    Effect.gen(function*() {
      const { app, end, portal } = yield* instance
      const evil = message({ kind: "refused", code: 0, lines: ["evil"] })
      const cases: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>]> = [
        ["text", [Buffer.from("evil\n")]],
        ["bytes", [Buffer.from([0xff, 0x46, 0, 0xff, 0xff, 0x49, 1, 2, 3])]],
        ["a line that is too long", [Buffer.from(`{${"x".repeat(1 << 16)}`)]],
        ["bytes behind a message", [Buffer.from("{\"kind\":\"started\"} 4\nevil")]],
        ["a message without fields", [message({})]],
        ["a cut message", [started.subarray(0, 12), started]],
        ["beginnings of messages", Array.from({ length: 4000 }, () => started.subarray(0, 12))],
        ["no JSON", [Buffer.from("{evil}\n")]],
        ["a list", [Buffer.from("[\"started\"]\n")]],
        ["an unknown kind", [message({ kind: "evil" })]],
        ["a wrong type", [started, message({ kind: "ended", code: "0" })]],
        ["a field too many", [message({ kind: "started", code: 0 })]],
        ["a start after a start", [started, started]],
        ["an end before the start", [message({ kind: "ended", code: 0 })]],
        ["a stop before the start", [message({ kind: "stopped" })]],
        ["a refusal after the start", [started, evil]],
        ["garbage after the start", [started, Buffer.from("evil\n")]]
      ]
      for (const [name, messages] of cases) {
        yield* Effect.scoped(Effect.gen(function*() {
          const daemon = yield* takeOver(portal, "guest")
          const running = yield* client(app)
          yield* push((yield* daemon.call).reply, Buffer.concat(messages))
          const outcome = yield* running.outcome
          const expected = [125, "", "E::the portal's daemon gave an answer that makes no sense\n"]
          assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], expected, name)
          // From a start on the other side removes the directory.
          if (messages[0] !== started) assert.deepStrictEqual(readdirSync(daemon.room), [], name)
          yield* app.shell(`rm -rf ${daemon.room}/*`)
        }))
      }
      yield* end
      yield* app.isClean
    }))

  scenario(
    "floods take no memory, stop nobody, and who asks for the end gets it",
    images,
    () =>
      Effect.gen(function*() {
        const { app, end, portal } = yield* instance
        // Output without an end, after the end: the caller has the code.
        yield* Effect.scoped(Effect.gen(function*() {
          const daemon = yield* takeOver(portal, "guest")
          const client = yield* Effect.forkScoped(
            app.shell("{ \"$app\" fim-instance exec 0 cat < /dev/null; echo $? >&2; } | cat > /dev/null")
          )
          const call = yield* daemon.call
          const output = yield* openFifo(`${call.directory}/stdout`, "write")
          yield* say(call, started)
          const told = Effect.andThen(Effect.sleep(200), say(call, message({ kind: "ended", code: 3 })))
          const outcome = yield* Effect.raceFirst(
            Effect.andThen(told, Fiber.join(client)),
            Effect.andThen(flood(output, Buffer.alloc(4096, "x")), Effect.never)
          )
          assert.strictEqual(outcome.stderr, "3\n")
        }))
        yield* app.shell(`rm -rf ${portal}/dispatcher/host/*`)
        yield* Effect.scoped(Effect.gen(function*() {
          const daemon = yield* takeOver(portal, "guest")
          const running = yield* client(app)
          const call = yield* daemon.call
          yield* say(call, started)
          const stops = Effect.andThen(flood(call.reply, message({ kind: "stopped" })), Effect.never)
          // 32 MiB that nobody reads, and signals that nobody reads.
          running.child.stdin?.write(Buffer.alloc(32 * 1024 * 1024))
          yield* Effect.raceFirst(Effect.sleep(300), stops)
          for (let count = 0; count < 100; count++) yield* running.signal("SIGUSR1")
          assert.isFalse(isStopped(running))
          assert.isBelow(peakOf(running.pid), memory)
          assert.isAbove(peakOf(running.pid), 0)
          const outcome = yield* Effect.raceFirst(ask(running, "SIGTERM"), stops)
          assert.deepStrictEqual([outcome.code, outcome.stdout], [143, ""])
          assert.match(outcome.stderr, /^E::nobody on the other side takes signals;[^\n]*\n$/)
          assert.isBelow(outcome.elapsed, 4000)
        }))
        yield* app.shell(`rm -rf ${portal}/dispatcher/host/*`)
        yield* end
        yield* app.isClean
      })
  )

  scenario(
    "whoever waits for an answer that never comes ends at once when asked to",
    images,
    () =>
      Effect.gen(function*() {
        const { app, end, portal } = yield* instance
        const signals = [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129], ["SIGQUIT", 131]] as const
        for (const way of ["nothing is opened", "all is opened", "the FIFO is full"]) {
          for (const [signal, code] of way === "all is opened" ? signals : signals.slice(0, 2)) {
            yield* Effect.scoped(Effect.gen(function*() {
              const daemon = yield* takeOver(portal, "guest")
              if (way === "the FIFO is full") fill(daemon.fifo, Buffer.alloc(4096))
              const running = yield* client(app)
              if (way === "all is opened") yield* daemon.call
              else if (way === "nothing is opened") yield* daemon.knock
              else yield* eventually("a caller", () => readdirSync(daemon.room)[0])
              const outcome = yield* ask(running, signal)
              assert.deepStrictEqual(
                [outcome.code, outcome.stdout, outcome.stderr],
                [code, "", ""],
                `${way}, ${signal}`
              )
              assert.isBelow(outcome.elapsed, 1000)
              assert.deepStrictEqual(readdirSync(daemon.room), [])
            }))
          }
        }
        yield* end
        yield* app.isClean
      })
  )

  scenario("that it has ended is seen, whenever it does", images, () =>
    Effect.gen(function*() {
      const { app, end, portal } = yield* instance
      for (const moment of ["before an answer", "after the start", "while its FIFO is full"]) {
        yield* Effect.scoped(Effect.gen(function*() {
          const daemon = yield* takeOver(portal, "guest")
          if (moment === "while its FIFO is full") fill(daemon.fifo, Buffer.alloc(4096))
          const running = yield* client(app)
          if (moment === "after the start") {
            yield* Effect.scoped(Effect.flatMap(daemon.call, (call) => say(call, started)))
          } else {
            if (moment === "before an answer") yield* daemon.knock
            else yield* eventually("a caller", () => readdirSync(daemon.room)[0])
            yield* daemon.die
          }
          const outcome = yield* running.outcome
          assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""], moment)
          assert.match(outcome.stderr, /^E::the portal's daemon has ended[^\n]*\n$/, moment)
          yield* app.shell(`rm -rf ${daemon.room}/*`)
        }))
      }
      yield* end
      yield* app.isClean
    }))
})
