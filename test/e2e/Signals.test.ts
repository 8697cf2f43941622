import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { images, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/** Waits to be told, and notes each signal it gets. A shell waits best for a child. */
const listening =
  "for s in HUP INT TERM; do trap \"echo $s >> /told; exit 42\" $s; done; echo ready; sleep 1000 & wait; exit 1"

/** Takes no notice of any signal that it can ignore; neither do its children. */
const deaf = "trap '' HUP INT TERM QUIT; echo ready; sleep 1000; exit 1"

const start = Effect.fnUntraced(function*(app: Place, script: string) {
  const running = yield* app.start(["fim-exec", "sh", "-c", script])
  yield* running.says(/ready/)
  return running
})

describe.each(users)("as $name, a signal to the outer process", (user) => {
  for (const [name, number] of Object.entries(signals)) {
    const signal = name as keyof typeof signals
    scenario(`${name} is told to the program, whose exit code counts`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const running = yield* start(app, listening)
        yield* running.signal(signal)
        const outcome = yield* running.outcome
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [42, "ready\n", ""])
        assert.strictEqual(readFileSync(`${app.data}/data/told`, "utf8"), `${name.slice(3)}\n`)
        yield* app.isClean
      }))

    scenario(
      `${name} ends a program that does not expect it, with 128 + ${number}`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user)
          const running = yield* start(app, "echo ready; exec sleep 1000")
          yield* running.signal(signal)
          const outcome = yield* running.outcome
          assert.deepStrictEqual([outcome.code, outcome.stderr], [128 + number, ""])
          yield* app.isClean
        })
    )
  }

  scenario("that the caller ignores is no reason to wait for ever", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (const signal of ["CHLD", "HUP", "INT", "TERM", "PIPE", "USR1", "ALRM"]) {
        const words = [`--ignore-signal=${signal}`, app.image, "fim-exec", "sh", "-c", "true & wait $!; exit 7"]
        const { code, stderr } = yield* app.run(words, { program: "env" })
        assert.deepStrictEqual([signal, code, stderr], [signal, 7, ""])
      }
      yield* app.isClean
    }))

  scenario("twice kills a program that does not listen, at once", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const running = yield* start(app, deaf)
      yield* running.signal("SIGTERM")
      yield* Effect.sleep(200)
      assert.isNull(running.child.exitCode)
      const told = performance.now()
      yield* running.signal("SIGINT")
      const outcome = yield* running.outcome
      assert.deepStrictEqual([outcome.code, outcome.stderr], [137, ""])
      assert.isBelow(performance.now() - told, 2000)
      yield* app.isClean
    }))

  scenario("once kills a program that does not listen, after some seconds", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const running = yield* start(app, deaf)
      const told = performance.now()
      yield* running.signal("SIGTERM")
      const outcome = yield* running.outcome
      const took = performance.now() - told
      assert.deepStrictEqual([outcome.code, outcome.stderr], [137, ""])
      assert.isAbove(took, 3000)
      assert.isBelow(took, 9000)
      yield* app.isClean
    }))

  scenario("that goes to the whole process group ends everything, too", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const running = yield* start(app, listening)
      process.kill(-running.pid, "SIGTERM")
      const outcome = yield* running.outcome
      assert.deepStrictEqual([outcome.code, outcome.stderr], [42, ""])
      assert.match(readFileSync(`${app.data}/data/told`, "utf8"), /^(TERM\n)+$/)
      yield* app.isClean
    }))

  scenario("in any phase of the boot ends the run and leaves nothing behind", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (const phase of ["relocate", "janitor", "layers", "mount", "sandbox"]) {
        const running = yield* app.start(["fim-exec", "sleep", "1000"], { environment: { FIM_DEBUG: "1" } })
        yield* running.complains(new RegExp(`Phase: ${phase}$`, "m"))
        yield* running.signal("SIGTERM")
        const told = performance.now()
        const { code } = yield* running.outcome
        assert.deepStrictEqual([phase, code], [phase, 143])
        assert.isBelow(performance.now() - told, 3000, phase)
        yield* app.isClean
      }
    }))

  scenario("at any time from the start ends the run and leaves nothing behind", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (let milliseconds = 0; milliseconds < 120; milliseconds += 6) {
        const running = yield* app.start(["fim-exec", "sleep", "1000"])
        yield* Effect.sleep(milliseconds)
        yield* running.signal("SIGTERM")
        const told = performance.now()
        // Before the runtime listens the kernel ends it as any program.
        assert.include(["SIGTERM", 143], (yield* running.outcome).code, `after ${milliseconds} ms`)
        assert.isBelow(performance.now() - told, 3000, `after ${milliseconds} ms`)
        yield* app.isClean
      }
    }))

  scenario("leaves the children of the program no time beyond its own", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const running = yield* start(
        app,
        "(trap '' TERM; sleep 1000; echo > /late) & trap 'exit 0' TERM; echo ready; wait"
      )
      yield* running.signal("SIGTERM")
      const { code } = yield* running.outcome
      assert.include([0, 137], code)
      yield* app.isClean
      assert.isFalse(existsSync(`${app.data}/data/late`))
    }))
})
