import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { images, program, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { keys, openTerminal, quoted } from "../support/Terminal.ts"
import { users } from "../support/Users.ts"

const needs = [...images, program("script"), program("bash")]

/** Prints the settings of the terminal in front of and behind a command, so that they can be compared. */
const comparing = (command: string) => `trap : INT; stty -g; ${command}; code=$?; stty -g; exit $code`

/** Lines that `comparing` has printed first and last. */
const settings = (text: string) => text.match(/[0-9a-f]+(?::[0-9a-f]+){10,}/g) ?? []

describe.each(users)("as $name, in a terminal", (user) => {
  scenario("^C belongs to the program", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const script = "trap 'echo caught; exit 33' INT; echo ready; while :; do sleep 0.05; done"
      const terminal = yield* openTerminal(app, `exec "$app" fim-exec sh -c ${quoted([script])}`)
      yield* terminal.shows(/ready/)
      yield* terminal.write(keys.interrupt)
      const outcome = yield* terminal.outcome
      assert.strictEqual(outcome.code, 33)
      assert.strictEqual(outcome.stdout.match(/caught/g)?.length, 1, outcome.stdout)
      yield* app.isClean
    }))

  scenario(
    "^C ends a program that does not expect it, with 130, and the terminal is as it was",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const terminal = yield* openTerminal(app, comparing("\"$app\" fim-exec sh -c 'echo ready; exec sleep 1000'"))
        yield* terminal.shows(/ready/)
        yield* terminal.write(keys.interrupt)
        const outcome = yield* terminal.outcome
        assert.strictEqual(outcome.code, 130)
        const [before, after, ...more] = settings(outcome.stdout)
        assert.isDefined(before)
        assert.strictEqual(after, before)
        assert.deepStrictEqual(more, [])
        yield* app.isClean
      })
  )

  scenario("a program that goes on after ^C goes on", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      // The sign that it goes on comes from behind the handler: bash loses a signal that meets its own handler.
      const script =
        "trap 'n=$((n+1))' INT; echo ready; until read -t 1 line; do echo \"round $n\"; done; echo \"got $line\""
      const terminal = yield* openTerminal(app, `exec "$app" fim-exec bash -c ${quoted([script])}`)
      yield* terminal.shows(/ready/)
      for (const round of [/round 1/, /round 2/, /round 3/]) {
        yield* terminal.write(keys.interrupt)
        yield* terminal.shows(round)
      }
      yield* terminal.write("more\n")
      yield* terminal.shows(/got more/)
      assert.strictEqual((yield* terminal.outcome).code, 0)
      yield* app.isClean
    }))

  scenario("^C reaches a program that has none of the terminal", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const script = "trap 'echo caught; exit 33' INT; echo ready; while :; do sleep 0.05; done"
      // What passes on its output stays in the background, where ^C does not go.
      const command = `mkfifo out; cat out & "$app" fim-exec sh -c ${quoted([script])} < /dev/null > out 2>&1`
      const terminal = yield* openTerminal(app, `trap : INT; ${command}; code=$?; wait; exit $code`)
      yield* terminal.shows(/ready/)
      yield* terminal.write(keys.interrupt)
      yield* terminal.shows(/caught/)
      assert.strictEqual((yield* terminal.outcome).code, 33)
      yield* app.isClean
    }))

  scenario("^\\ ends the program with 131", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const terminal = yield* openTerminal(app, "ulimit -c 0; \"$app\" fim-exec cat")
      yield* terminal.write("ready\n")
      yield* terminal.shows(/ready\r\nready/)
      yield* terminal.write(keys.quit)
      assert.strictEqual((yield* terminal.outcome).code, 131)
      yield* app.isClean
    }))

  scenario("^Z stops the run for the shell, and fg lets it go on", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const terminal = yield* openTerminal(app, "exec bash --norc --noprofile -i", { PS1: "prompt> ", TERM: "dumb" })
      yield* terminal.shows(/prompt> /)
      yield* terminal.write("\"$app\" fim-exec sh -c 'echo ready; exec cat'\n")
      yield* terminal.shows(/(?:[\r\n]|\[K)ready/)
      yield* terminal.write("first\n")
      yield* terminal.shows(/first\r\nfirst/)
      yield* terminal.write(keys.suspend)
      yield* terminal.shows(/Stopped[^]*prompt> /)
      yield* terminal.write("echo the shell answers\n")
      yield* terminal.shows(/\nthe shell answers\r\n[^]*prompt> /)
      yield* terminal.write("fg\n")
      yield* terminal.shows(/fim-exec/)
      yield* terminal.write("second\n")
      yield* terminal.shows(/second\r\nsecond/)
      yield* terminal.write(keys.endOfFile)
      yield* terminal.shows(/prompt> /)
      yield* terminal.write("exit 11\n")
      assert.strictEqual((yield* terminal.outcome).code, 11)
      yield* app.isClean
    }))

  scenario(
    "a program that takes its time to stop has stopped before the shell goes on",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const terminal = yield* openTerminal(app, "exec bash --norc --noprofile -i", { PS1: "prompt> ", TERM: "dumb" })
        yield* terminal.shows(/prompt> /)
        // Bash runs a trap after `read` where the signal came just before it: so it does not read for long.
        const script =
          "trap 'sleep 0.5; echo now; kill -STOP $$' TSTP; echo ready; until read -t 1 line; do :; done; echo got $line"
        yield* terminal.write(`"$app" fim-exec bash -c ${quoted([script])}\n`)
        yield* terminal.shows(/(?:[\r\n]|\[K)ready/)
        yield* terminal.write(keys.suspend)
        yield* terminal.shows(/\^Z[\r\n]*now[\r\n]+[^]*Stopped[^]*prompt> /)
        yield* terminal.write("fg\n")
        yield* terminal.shows(/fg[^]*fim-exec/)
        yield* terminal.write("line\n")
        yield* terminal.shows(/got line[^]*prompt> /)
        yield* terminal.write("exit 7\n")
        assert.strictEqual((yield* terminal.outcome).code, 7)
        yield* app.isClean
      })
  )

  scenario("^Z is nothing to a program that ignores it", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const terminal = yield* openTerminal(app, "exec bash --norc --noprofile -i", { PS1: "prompt> ", TERM: "dumb" })
      yield* terminal.shows(/prompt> /)
      yield* terminal.write(
        "\"$app\" fim-exec sh -c 'trap \"\" TSTP; echo ready; read line; echo \"got $line\"; exit 9'\n"
      )
      yield* terminal.shows(/(?:[\r\n]|\[K)ready/)
      yield* terminal.write(keys.suspend)
      yield* terminal.shows(/\^Z/)
      yield* terminal.write("line\n")
      yield* terminal.shows(/got line[^]*prompt> /)
      yield* terminal.write("exit $?\n")
      const outcome = yield* terminal.outcome
      assert.strictEqual(outcome.code, 9)
      assert.notInclude(outcome.stdout, "Stopped")
      yield* app.isClean
    }))

  scenario("the program sees the size of the window and its changes", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      // The size is set in two steps, and each is told.
      const script =
        "trap 'told=yes; stty size' WINCH; stty size; until [ \"$told $(stty size)\" = 'yes 42 101' ]; do sleep 0.05; done"
      const terminal = yield* openTerminal(app, `tty; stty rows 31 cols 97; "$app" fim-exec sh -c ${quoted([script])}`)
      const [, device = ""] = yield* terminal.shows(/(\/dev\/pts\/\d+)\r/)
      yield* terminal.shows(/31 97/)
      yield* Process.run(app.command(["-F", device, "rows", "42", "cols", "101"], "stty"), {
        environment: app.environment
      })
      yield* terminal.shows(/42 101/)
      assert.strictEqual((yield* terminal.outcome).code, 0)
      yield* app.isClean
    }))

  scenario("a hang-up ends the run and leaves nothing behind", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const terminal = yield* openTerminal(app, "exec \"$app\" fim-exec sh -c 'echo ready; sleep 1000'")
      yield* terminal.shows(/ready/)
      yield* terminal.signal("SIGKILL")
      yield* terminal.exited
      yield* app.isClean
    }))

  scenario("an interactive shell works, with job control of its own", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const terminal = yield* openTerminal(app, "\"$app\"")
      yield* terminal.shows(/\[flatimage-blueprint\] [^\n]* > /)
      yield* terminal.write("sh -c 'echo ready; exec sleep 1000'\n")
      yield* terminal.shows(/(?:[\r\n]|\[K)ready/)
      yield* terminal.write(keys.suspend)
      yield* terminal.shows(/Stopped[^]* > /)
      yield* terminal.write("kill %1; tty < /dev/stdin > /dev/null; echo \"answer $((6 * 7))\"\n")
      yield* terminal.shows(/answer 42/)
      yield* terminal.write("exit 12\n")
      assert.strictEqual((yield* terminal.outcome).code, 12)
      yield* app.isClean
    }))
})
