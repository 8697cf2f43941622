import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { images, program, scenario } from "../support/Needs.ts"
import { eventually, inGuest, open } from "../support/Portal.ts"
import { openTerminal, quoted } from "../support/Terminal.ts"
import { users } from "../support/Users.ts"

describe.each(users)("as $name", (user) => {
  scenario(
    "signals to the caller are the command's, and how that ends is how the caller ends",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* open(user, "sh", "sleep")
        const script = `ask() { rm -f /tmp/o; fim_portal "$@" > /tmp/o & pid=$!; }
        for signal in HUP INT QUIT TERM USR1 USR2; do
          ask sh -c "trap 'echo $signal; exit 7' $signal; echo up; while :; do sleep 0.05; done"
          while [ ! -s /tmp/o ]; do sleep 0.02; done; kill -$signal $pid; wait $pid; echo $? $(cat /tmp/o)
        done
        for signal in HUP TERM USR1; do
          ask sh -c "echo up; exec sleep 1000"
          while [ ! -s /tmp/o ]; do sleep 0.02; done; kill -$signal $pid; wait $pid; echo $?
        done`
        const outcome = yield* inGuest(app, script)
        const told = ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2"].map((signal) => `7 up ${signal}`)
        assert.deepStrictEqual(outcome.stdout.split("\n"), [...told, "129", "143", "138", ""])
        yield* app.isClean
      })
  )

  scenario("a command writes no more than its caller takes", images, () =>
    Effect.gen(function*() {
      const app = yield* open(user, "sh")
      const count = `${app.home}/count`
      const writer =
        `i=0; while head -c 65536 /dev/zero; do i=$((i + 1)); echo $i > ${count}.new; mv ${count}.new ${count}; done`
      const running = yield* app.start(["fim-exec", "sh", "-c", "fim_portal sh -c \"$0\" | sleep 1000", writer])
      const written = () => existsSync(count) ? Number(readFileSync(count, "utf8")) : 0
      yield* eventually("the first bytes", () => written() > 0)
      let last = { count: 0, since: performance.now() }
      yield* eventually("a pause of the writer", () => {
        if (written() !== last.count) last = { count: written(), since: performance.now() }
        return performance.now() - last.since > 500
      })
      // A pipe and a FIFO hold 64 KiB each.
      assert.isBelow(last.count, 8)
      yield* running.signal("SIGTERM")
      yield* running.outcome
      yield* app.isClean
    }))

  scenario(
    "who writes to a command is told when it reads no more, and who reads from it when it writes no more",
    [...images, program("bash")],
    () =>
      Effect.gen(function*() {
        const app = yield* open(user, "sh")
        const script =
          `(yes; echo $? > /tmp/yes) | fim_portal sh -c 'exec < /dev/null; read line < ${app.home}/go; echo out' &
        while [ ! -s /tmp/yes ]; do sleep 0.02; done; cat /tmp/yes; fim_portal sh -c 'echo > ${app.home}/go'; wait
        exec 3<> /tmp/in; fim_portal sh -c 'exec > /dev/null; read line; echo $line >&2' <&3 | { cat; echo closed; echo in >&3; }`
        yield* app.shell(`mkfifo ${app.home}/go`)
        const outcome = yield* inGuest(app, `mkfifo /tmp/in; ${script}`)
        assert.deepStrictEqual([outcome.stdout, outcome.stderr], ["141\nout\nclosed\n", "in\n"])
        yield* app.isClean
      })
  )

  scenario("a request of almost 8 MiB passes, and a larger one says that it is too large", [
    ...images,
    program("bash")
  ], () =>
    Effect.gen(function*() {
      const app = yield* open(user, "echo")
      // Bytes that are no ASCII take two in a message: so much fits into the memory for words and variables.
      const script = `value=$(head -c 100000 /dev/zero | tr '\\0' '\\377'); i=0
        more() { for n in $(seq $1); do i=$((i + 1)); export BIG$i="$value"; done; }
        more 40; fim_portal echo passes; more 4; fim_portal echo fails; echo $?; find $FIM_DIR_INSTANCE/portal/dispatcher -mindepth 2`
      const outcome = yield* app.shell(`ulimit -s unlimited && "$app" fim-exec sh -c ${quoted([script])}`)
      assert.strictEqual(outcome.stdout, "passes\n125\n")
      assert.match(outcome.stderr, /^E::the command and its environment are larger than 8 MiB\n$/)
      yield* app.isClean
    }))

  scenario("a terminal that changes its size tells the command", [
    ...images,
    program("script"),
    program("stty")
  ], () =>
    Effect.gen(function*() {
      const app = yield* open(user, "sh")
      const script = "trap 'stty size; exit 4' WINCH; stty size; echo go; while :; do sleep 0.05; done"
      const terminal = yield* openTerminal(
        app,
        `tty; stty rows 33 cols 99; "$app" fim-exec fim_portal sh -c ${quoted([script])}; echo code $?`
      )
      const [, device = ""] = yield* terminal.shows(/(\/dev\/pts\/\d+)/)
      yield* terminal.shows(/33 99\s+go/)
      const resized = yield* app.shell(`stty -F ${device} rows 40 cols 50`)
      assert.deepStrictEqual([resized.code, resized.stderr], [0, ""])
      assert.match((yield* terminal.outcome).stdout, /go\s+40 50\s+code 4/)
      yield* app.isClean
    }))
})
