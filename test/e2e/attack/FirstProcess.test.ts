import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { images, scenario } from "../../support/Needs.ts"
import { type Place, place } from "../../support/Place.ts"
import type { Running } from "../../support/Process.ts"
import { users } from "../../support/Users.ts"

/** Whatever floods us, each signal is to reach the program within 100 ms. This machine may be busy with other tests too. */
const soon = 1000

/** Says so whenever it is told of a signal. What it starts in the background floods us. */
const listening = (flood: string): string => `trap 'echo told' USR1; ${flood} echo ready; while :; do sleep 0.01; done`

/** So many processes that do something without end. */
const loops = (count: number, script: string): string =>
  `for i in $(seq ${count}); do (while :; do ${script}; done) & done;`

/** Ways to keep us from hearing, passing on or answering signals. Output of the floods goes nowhere. */
const floods: Readonly<Record<string, string>> = {
  "events of our own":
    "(for f in /proc/1/fd/*; do (while :; do printf ssssrrrccc; done > $f) & done; wait) 2> /dev/null &",
  "signals for the first process": loops(
    4,
    "kill -TERM 1; kill -USR1 1; kill -INT 1; kill -HUP 1; kill -CHLD 1; kill -TSTP 1"
  ),
  "the ends of orphans": loops(4, "(true &)"),
  "stops of the program": `me=$$; ${loops(2, "kill -STOP $me; kill -CONT $me")}`,
  "requests to the portal": loops(2, "head -c 65536 /dev/urandom")
    .replace("done) &", "done > \"$FIM_DIR_INSTANCE/portal/daemon/guest.fifo\") 2> /dev/null &")
}

const stateOf = (running: Running): string =>
  /\) (\w)/.exec(readFileSync(`/proc/${running.pid}/stat`, "latin1"))?.[1] ?? ""

const start = Effect.fnUntraced(function*(app: Place, script: string) {
  const running = yield* app.start(["fim-exec", "sh", "-c", script])
  yield* running.says(/ready/)
  return running
})

describe.each(users)("as $name, the guest cannot", (user) => {
  for (const [name, flood] of Object.entries(floods)) {
    scenario(`keep signals from the program by ${name}`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const running = yield* start(app, listening(flood))
        yield* Effect.sleep(500)
        for (let count = 1; count <= 5; count++) {
          const sent = performance.now()
          yield* running.signal("SIGUSR1")
          yield* running.says(new RegExp(`(?:told\\n[^]*){${count}}`))
          assert.isBelow(performance.now() - sent, soon)
          assert.notMatch(stateOf(running), /[Tt]/)
        }
        yield* running.signal("SIGKILL")
        yield* running.exited
        yield* app.isClean
      }))
  }

  scenario("stop us by stopping itself or all that it can name", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const running = yield* start(
        app,
        "echo ready; sleep 0.3; kill -STOP -1; kill -STOP 1; kill -STOP $$; kill -STOP 0; sleep 1000"
      )
      yield* Effect.sleep(1000)
      assert.notMatch(stateOf(running), /[Tt]/)
      // It has stopped, and hears nothing before it goes on; that is its own doing.
      yield* running.signal("SIGTERM")
      yield* running.signal("SIGCONT")
      assert.strictEqual((yield* running.outcome).code, 143)
      yield* app.isClean
      const other = yield* start(app, "echo ready; kill -STOP 0; sleep 1000")
      yield* Effect.sleep(300)
      yield* other.signal("SIGKILL")
      yield* other.exited
      yield* app.isClean
    }))

  scenario("reach into the first process or its descriptors", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const files = "/proc/1/mem /proc/1/maps /proc/1/environ /proc/1/auxv /proc/1/fd/* /proc/1/map_files/*"
      const script = `for file in ${files}; do`
        + " if (: < $file) || (: >> $file) || readlink $file; then echo \"open $file\"; fi; done 2> /dev/null;"
        + " for link in exe root cwd; do readlink /proc/1/$link; done; cat /proc/1/comm"
      for (const command of ["fim-exec", "fim-root"]) {
        for (const allow of ["", "ptrace"]) {
          const { stdout } = yield* app.run([command, "sh", "-c", script], { environment: { FIM_ALLOW: allow } })
          assert.strictEqual(stdout, "fim\n")
        }
      }
    }))
})
