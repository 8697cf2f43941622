import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { constants } from "node:os"
import { numbers } from "../../src/Signals.ts"
import { images, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/** Waits to be told, and notes each signal it gets. A shell waits best for a child. */
const listening =
  "for s in HUP INT TERM; do trap \"echo $s >> /told; exit 42\" $s; done; echo ready; sleep 1000 & wait; exit 1"

/** Prints which signals are ignored. No shell, which ignores some itself. */
const shown = ["fim-exec", "grep", "^SigIgn:", "/proc/self/status"]

const ignoredIn = (text: string) => BigInt(`0x${text.replace("SigIgn:", "").trim()}`)

const bit = (signal: number) => 1n << BigInt(signal - 1)

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

  scenario("that the caller ignores is ignored by the program too", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const run = (...options: ReadonlyArray<string>) =>
        Effect.map(
          app.run([...options, app.image, ...shown], { program: "env" }),
          ({ stdout }) => ignoredIn(stdout)
        )
      const plain = yield* run()
      assert.strictEqual(plain & (bit(1) | bit(2) | bit(3) | bit(13) | bit(15) | bit(17)), 0n)
      for (const name of ["HUP", "INT", "QUIT", "PIPE", "TERM", "TSTP", "USR1", "CHLD"] as const) {
        const ignored = yield* run(`--ignore-signal=${name}`)
        assert.strictEqual(ignored & bit(constants.signals[`SIG${name}`]), bit(constants.signals[`SIG${name}`]), name)
      }
      // As nohup does it, and as a shell does for what it has put into the background.
      const nohup = yield* app.start([
        "--ignore-signal=HUP",
        app.image,
        "fim-exec",
        "sh",
        "-c",
        "echo ready; sleep 1; echo end"
      ], {
        program: "env"
      })
      yield* nohup.says(/ready/)
      yield* nohup.signal("SIGHUP")
      assert.deepStrictEqual([(yield* nohup.outcome).code, nohup.stdout()], [0, "ready\nend\n"])
      const background = yield* app.shell(`"$app" ${shown.join(" ")} < /dev/null & wait`)
      const interrupts = ignoredIn(background.stdout) & (bit(2) | bit(3))
      assert.strictEqual(interrupts, bit(2) | bit(3))
      yield* app.isClean
    }))

  scenario("to end is followed by SIGKILL only after FIM_STOP_TIMEOUT", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const running = yield* app.start([
        "fim-exec",
        "sh",
        "-c",
        "trap 'echo told' TERM; echo ready; while :; do sleep 0.05; done"
      ], {
        environment: { FIM_STOP_TIMEOUT: "1" }
      })
      yield* running.says(/ready/)
      const before = Date.now()
      yield* running.signal("SIGTERM")
      assert.strictEqual((yield* running.outcome).code, 137)
      assert.isAbove(Date.now() - before, 900)
      const wrong = yield* app.run(["fim-exec", "true"], { environment: { FIM_STOP_TIMEOUT: "soon" } })
      assert.strictEqual(wrong.code, 125)
      assert.match(wrong.stderr, /^E::FIM_STOP_TIMEOUT is 'soon', but must be a number of seconds/)
      yield* app.isClean
    }))

  scenario("of real time is told to the program, with its number", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      // Shells name them from 34 on.
      const traps = [34, 50, 64].map((number) => `trap 'echo got-${number}' ${number}`).join("; ")
      const running = yield* start(app, `${traps}; echo ready; until [ -e /tmp/end ]; do sleep 0.02; done`)
      for (const number of [34, 50, 64]) {
        process.kill(running.child.pid ?? 0, number)
        yield* running.says(new RegExp(`got-${number}\n`))
      }
      assert.isNull(running.child.exitCode)
      yield* running.signal("SIGKILL")
      yield* running.exited
      yield* app.isClean
    }))

  scenario("of any kind is told to the program, which goes on if it likes", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      // A shell needs SIGCHLD itself, cannot be told of a fault by another, and stops by some.
      const kept = new Set(["SIGCHLD", "SIGILL", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGTSTP", "SIGTTIN", "SIGTTOU"])
      const names = Object.keys(numbers).filter((name) => !kept.has(name))
      const traps = names.map((name) => `trap 'echo got-${name}' ${name.slice(3)}`).join("; ")
      const running = yield* start(app, `${traps}; echo ready; until [ -e /tmp/end ]; do sleep 0.02; done`)
      for (const name of names) {
        yield* running.signal(name as NodeJS.Signals)
        yield* running.says(new RegExp(`got-${name}\n`))
      }
      assert.isNull(running.child.exitCode)
      yield* running.signal("SIGKILL")
      yield* running.exited
      yield* app.isClean
    }))

  scenario(
    "does not end a program that takes it for something else, or that takes its time",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const script =
          "trap 'echo reloaded' HUP; trap 'echo caught' INT; trap 'echo stopping; n=65' TERM; echo ready; n=0;"
          + " until [ $n = 1 ]; do [ $n = 0 ] || n=$((n-1)); sleep 0.1; done; echo saved"
        const running = yield* start(app, script)
        for (const [signal, word] of [["SIGHUP", "reloaded"], ["SIGINT", "caught"], ["SIGTERM", "stopping"]] as const) {
          yield* running.signal(signal)
          yield* running.says(new RegExp(word))
        }
        // More than the five seconds that it once had.
        const outcome = yield* running.outcome
        assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
        assert.match(outcome.stdout, /saved\n$/)
        yield* app.isClean
      })
  )

  scenario(
    "twice is told twice, and only SIGKILL ends a program that ignores all others",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const running = yield* start(
          app,
          "trap 'echo told' TERM; trap '' HUP; echo ready; while :; do sleep 0.05; done"
        )
        for (const expected of [/told\n/, /(told\n){2}/]) {
          yield* running.signal("SIGTERM")
          yield* running.says(expected)
          yield* running.signal("SIGHUP")
        }
        yield* Effect.sleep(300)
        assert.isNull(running.child.exitCode)
        yield* running.signal("SIGKILL")
        yield* running.exited
        yield* app.isClean
      })
  )

  scenario(
    "to the whole process group ends nothing that the program does not end",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const running = yield* start(
          app,
          "trap 'echo got' USR1 USR2 ALRM; echo ready; sleep 1 & wait; wait; wait; wait; echo end"
        )
        for (const name of ["SIGUSR1", "SIGUSR2", "SIGALRM"] as const) {
          process.kill(-running.pid, name)
          yield* Effect.sleep(100)
        }
        const outcome = yield* running.outcome
        assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
        assert.match(outcome.stdout, /^ready\n(got\n)+end\n$/)
        yield* app.isClean
      })
  )

  scenario("that asks to stop stops the run, and SIGCONT lets it go on", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const running = yield* start(app, "echo ready; while :; do sleep 0.05; done")
      const state = Effect.sync(() => /\) (\w)/.exec(readFileSync(`/proc/${running.pid}/stat`, "latin1"))?.[1])
      for (const [signal, expected] of [["SIGTSTP", /T/], ["SIGCONT", /[SR]/]] as const) {
        yield* running.signal(signal)
        for (let tries = 0; tries < 200 && !expected.test((yield* state) ?? ""); tries++) yield* Effect.sleep(20)
        assert.match((yield* state) ?? "", expected)
      }
      yield* running.signal("SIGTERM")
      assert.strictEqual((yield* running.outcome).code, 128 + constants.signals.SIGTERM)
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
