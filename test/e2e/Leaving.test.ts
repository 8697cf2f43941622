import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { images, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { users } from "../support/Users.ts"

const pidsOf = (list: Process.Outcome): ReadonlyArray<number> =>
  list.stdout.split("\n").filter((line) => line !== "").map((line) => Number(line.split(":")[1]))

const running = (app: Place) => Effect.map(app.run(["fim-instance", "list"]), pidsOf)

/** Waits until no instance runs. */
const ended = (app: Place): Effect.Effect<void, unknown> =>
  Effect.flatMap(
    running(app),
    (pids) => pids.length === 0 ? Effect.void : Effect.andThen(Effect.sleep(20), ended(app))
  )

/** Ends the first instance. */
const end = (app: Place) =>
  Effect.map(
    app.run(["fim-instance", "stop", "0"]),
    ({ code, stdout, stderr }) => assert.deepStrictEqual([code, stdout, stderr], [0, "", ""])
  )

const daemon = "sleep 60 > /dev/null 2>&1 < /dev/null &"

describe.each(users)("as $name, what a program has left running", (user) => {
  scenario(
    "lives on as an instance, and the caller has the exit code and his pipes at once",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const before = Date.now()
        // The shell waits until nobody holds its pipe, nor the lock of descriptor 9.
        const outcome = yield* app.shell(
          `out=$("$app" fim-exec sh -c '${daemon} echo said; exit 7' 9> lock); echo "$out $?"; flock -n lock echo free`
        )
        assert.deepStrictEqual([outcome.stdout, outcome.stderr], ["said 7\nfree\n", ""])
        assert.isBelow(Date.now() - before, 30_000)
        const [pid = 0, ...others] = yield* running(app)
        assert.deepStrictEqual(others, [])
        // Nothing of the caller's is left to it: no descriptor, no directory, no session.
        const opened = readdirSync(`/proc/${pid}/fd`).map((name) => readlinkSync(`/proc/${pid}/fd/${name}`))
        assert.deepStrictEqual(opened.filter((path) => path.startsWith(`${app.home}/`)), [])
        assert.strictEqual(readlinkSync(`/proc/${pid}/cwd`), "/")
        const session = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[3]
        assert.strictEqual(session, `${pid}`)
        // It is an instance as any other: commands run in it, and starts join it.
        const inside = yield* app.run(["fim-instance", "exec", "0", "sh", "-c", "ps | grep -c '[s]leep 60'"])
        assert.deepStrictEqual([inside.code, inside.stdout], [0, "1\n"])
        yield* app.run(["fim-exec", "sh", "-c", "mkdir -p /srv; echo shared > /srv/note"])
        const note = yield* app.run(["fim-instance", "exec", "0", "cat", "/srv/note"])
        assert.deepStrictEqual([note.code, note.stdout], [0, "shared\n"])
        yield* end(app)
        yield* app.isClean
      })
  )

  scenario("ends by itself, and then nothing is left", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const outcome = yield* app.run([
        "fim-exec",
        "sh",
        "-c",
        "sleep 1 > /dev/null 2>&1 < /dev/null &"
      ])
      assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "", ""])
      yield* ended(app)
      yield* app.isClean
    }))

  scenario("is written to the data directory, with each overlay", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      for (const overlay of ["bwrap", "overlayfs", "unionfs"]) {
        assert.strictEqual((yield* app.run(["fim-overlay", "set", overlay])).code, 0)
        const left = yield* app.run([
          "fim-exec",
          "sh",
          "-c",
          `(sleep 0.5; echo ${overlay} > /srv/late) > /dev/null 2>&1 < /dev/null & mkdir -p /srv`
        ])
        assert.deepStrictEqual([overlay, left.code, left.stderr], [overlay, 0, ""])
        yield* ended(app)
        yield* app.isClean
        const found = yield* app.run(["fim-exec", "cat", "/srv/late"])
        assert.deepStrictEqual([found.code, found.stdout], [0, `${overlay}\n`])
      }
    }))

  scenario(
    "has no say in the exit code of a program that only its pipeline outlives",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const outcome = yield* app.run(["fim-exec", "sh", "-c", "(sleep 0.005; :) & echo first"])
        assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "first\n"])
        yield* app.isClean
      })
  )

  scenario("ends when its janitor or what serves it is killed, at any time", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (let delay = 0; delay < 60; delay += 6) {
        const start = yield* app.start(["fim-exec", "sh", "-c", daemon])
        yield* Effect.sleep(delay)
        // Before, during and after the caller is left.
        yield* start.signal("SIGKILL")
        yield* start.exited
        for (const pid of yield* running(app)) process.kill(pid, "SIGKILL")
        yield* ended(app)
        // A janitor that was killed leaves its directory to the next start.
        assert.strictEqual((yield* app.run(["fim-exec", "true"])).code, 0)
        yield* app.isClean
      }
    }))

  scenario("is asked to end, and ended where it does not", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const polite = "trap 'echo bye > /srv/bye; exit' TERM; while :; do sleep 0.1; done"
      const start = yield* app.run([
        "fim-exec",
        "sh",
        "-c",
        `mkdir -p /srv; (${polite}) > /dev/null 2>&1 < /dev/null &`
      ])
      assert.strictEqual(start.code, 0)
      yield* Effect.sleep(200)
      yield* end(app)
      const said = yield* app.run(["fim-exec", "sh", "-c", "cat /srv/bye"])
      assert.deepStrictEqual([said.code, said.stdout], [0, "bye\n"])
      // What does not listen is ended by force, if the caller says when.
      yield* app.run(["fim-exec", "sh", "-c", `trap "" TERM; ${daemon}`])
      const stopped = yield* app.run(["fim-instance", "stop", "-t", "1", "0"])
      assert.deepStrictEqual([stopped.code, stopped.stdout, stopped.stderr], [0, "", ""])
      assert.deepStrictEqual(yield* running(app), [])
      // Other signals reach it as well.
      const listens = "trap 'echo hup > /srv/hup; exit' HUP; while :; do sleep 0.1; done"
      yield* app.run(["fim-exec", "sh", "-c", `(${listens}) > /dev/null 2>&1 < /dev/null &`])
      yield* Effect.sleep(200)
      assert.strictEqual((yield* app.run(["fim-instance", "kill", "-s", "HUP", "0"])).code, 0)
      yield* ended(app)
      assert.strictEqual((yield* app.run(["fim-exec", "cat", "/srv/hup"])).stdout, "hup\n")
      const none = yield* app.run(["fim-instance", "stop", "0"])
      assert.deepStrictEqual([none.code, none.stdout], [125, ""])
      assert.match(none.stderr, /^E::No instances are running\nE::Could not stop an instance\n/)
      yield* app.isClean
    }))
})
