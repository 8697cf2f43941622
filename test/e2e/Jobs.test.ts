import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { images, program, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { keys, openTerminal } from "../support/Terminal.ts"
import { users } from "../support/Users.ts"

const needs = [...images, program("script"), program("bash")]

/** An interactive shell of the host in a terminal. */
const hostShell = (app: Place) =>
  Effect.gen(function*() {
    const terminal = yield* openTerminal(app, "exec bash --norc --noprofile -i", { PS1: "prompt> ", TERM: "dumb" })
    yield* terminal.shows(/prompt> /)
    return terminal
  })

describe.each(users)("as $name, a job of a shell", (user) => {
  scenario(
    "that reads the terminal from the background stops, and goes on in the foreground",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const terminal = yield* hostShell(app)
        yield* terminal.write("\"$app\" fim-exec cat &\n")
        yield* terminal.shows(/prompt> /)
        // The shell tells of jobs before a prompt.
        yield* terminal.write("until jobs | grep -q Stopped; do sleep 0.1; done; jobs\n")
        yield* terminal.shows(/Stopped +"\$app" fim-exec cat[^]*prompt> /)
        yield* terminal.write("echo the shell has the line\n")
        yield* terminal.shows(/\nthe shell has the line\r\n[^]*prompt> /)
        yield* terminal.write("fg\n")
        yield* terminal.shows(/fg\r\n"\$app" fim-exec cat/)
        yield* terminal.write("first\n")
        yield* terminal.shows(/first\r\nfirst/)
        yield* terminal.write(keys.suspend)
        yield* terminal.shows(/Stopped[^]*prompt> /)
        // It stops again where it reads from the background.
        yield* terminal.write("bg; sleep 1; until jobs | grep -q Stopped; do sleep 0.1; done; echo again\n")
        yield* terminal.shows(/\nagain\r\n[^]*prompt> /)
        yield* terminal.write("fg\n")
        yield* terminal.shows(/fg\r\n"\$app" fim-exec cat/)
        yield* terminal.write("second\n")
        yield* terminal.shows(/second\r\nsecond/)
        yield* terminal.write(keys.interrupt)
        yield* terminal.shows(/prompt> /)
        yield* terminal.write("exit $?\n")
        assert.strictEqual((yield* terminal.outcome).code, 130)
        yield* app.isClean
      })
  )

  for (const way of ["stopped in the background", "stopped by ^Z"]) {
    scenario(`that is ${way} ends with its terminal`, needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const terminal = yield* hostShell(app)
        if (way === "stopped by ^Z") {
          yield* terminal.write("\"$app\" fim-exec sh -c 'echo ready; exec cat'\n")
          yield* terminal.shows(/[\r\n]ready/)
          yield* terminal.write(keys.suspend)
          yield* terminal.shows(/Stopped[^]*prompt> /)
        } else {
          yield* terminal.write(
            "\"$app\" fim-exec cat & until jobs | grep -q Stopped; do sleep 0.1; done; echo stopped\n"
          )
          yield* terminal.shows(/\nstopped\r\n/)
        }
        // The terminal closes with what has opened it.
        yield* terminal.signal("SIGKILL")
        yield* terminal.exited
        yield* app.isClean
      }))
  }

  scenario("leaves the foreground to whoever waits, whatever ran in it", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      // No shell with jobs of its own waits here: it would take the terminal by itself.
      const terminal = yield* openTerminal(
        app,
        "for s in 'bash --norc -i' 'sh -i'; do \"$app\" fim-exec $s; echo \"code $?\"; read line; echo \"got $line\"; done",
        { TERM: "dumb" }
      )
      for (const code of [5, 6]) {
        yield* terminal.write(`echo inside $((${code} * 100))\n`)
        yield* terminal.shows(new RegExp(`inside ${code}00`))
        yield* terminal.write(`exit ${code}\n`)
        yield* terminal.shows(new RegExp(`code ${code}\r\n`))
        yield* terminal.write(`line${code}\n`)
        yield* terminal.shows(new RegExp(`got line${code}\r\n`))
      }
      const outcome = yield* terminal.outcome
      assert.strictEqual(outcome.code, 0)
      assert.notMatch(outcome.stdout, /tty process group|can't access tty/)
      yield* app.isClean
    }))
})

/** Shells with job control that the guests of the tests have. */
const shells: ReadonlyArray<readonly [image: "blueprint" | "debian", shell: string]> = [
  ["blueprint", "bash --norc"],
  ["blueprint", "busybox sh"],
  ["debian", "sh"],
  ["debian", "sh -i"],
  ["debian", "dash -i"]
]

describe.each(users)("as $name, in a terminal", (user) => {
  for (const [image, shell] of shells) {
    scenario(`${shell} of the ${image} image has job control, and its exit code`, needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { image })
        const terminal = yield* openTerminal(
          app,
          `"$app" fim-exec ${shell}; echo "code $?"; read line; echo "got $line"`,
          {
            TERM: "dumb"
          }
        )
        yield* terminal.write("echo $((6 * 7)) up\n")
        yield* terminal.shows(/42 up/)
        yield* terminal.write("sh -c 'echo ready; exec sleep 1000'\n")
        yield* terminal.shows(/ready\r\n/)
        yield* terminal.write(keys.suspend)
        yield* terminal.shows(/Stopped/)
        yield* terminal.write("kill -KILL %1; exit 5\n")
        yield* Effect.sleep(300)
        // Some ask once more where a job was stopped.
        yield* terminal.write("exit 5\n")
        yield* terminal.shows(/code 5\r\n/)
        yield* terminal.write("line\n")
        yield* terminal.shows(/got /)
        const outcome = yield* terminal.outcome
        assert.strictEqual(outcome.code, 0)
        assert.notMatch(outcome.stdout, /tty process group|can't access tty|job control turned off/)
        yield* app.isClean
      }))
  }
})
