import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { readFileSync } from "node:fs"
import { setTimeout as wait } from "node:timers/promises"
import { processesIn } from "../support/Leftovers.ts"
import { images, isRoot, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { eventually } from "../support/Portal.ts"
import * as Process from "../support/Process.ts"
import { users } from "../support/Users.ts"

/** A guest with children that ignore signals, one of them in a session of its own. */
const tree = "trap '' TERM HUP INT; setsid sleep 1000 & (sleep 1001 & sleep 1002) & echo ready; sleep 1003"

const debugging = { environment: { FIM_DEBUG: "1" } }

/** The phases of a run in their order, as it names them itself. */
const phasesOf = (app: Place) =>
  Effect.map(
    app.run(["fim-exec", "true"], debugging),
    ({ stderr }) => [...stderr.matchAll(/Phase: (\w+)$/gm)].map(([, name]) => name ?? "")
  )

const killAtPhase = Effect.fnUntraced(function*(app: Place, phase: string) {
  const running = yield* app.start(["fim-exec", "sleep", phase === "end" ? "0" : "1000"], debugging)
  yield* running.complains(new RegExp(`Phase: ${phase}$`, "m"))
  yield* running.signal("SIGKILL")
  yield* running.exited
  yield* app.isClean
}, Effect.scoped)

const killAfter = Effect.fnUntraced(function*(app: Place, milliseconds: number) {
  const running = yield* app.start(["fim-exec", "sleep", "1000"])
  yield* Effect.promise(() => wait(milliseconds))
  yield* running.signal("SIGKILL")
  assert.strictEqual(yield* running.exited, "SIGKILL")
  yield* app.isClean
}, Effect.scoped)

const killWithTree = Effect.fnUntraced(function*(app: Place) {
  const running = yield* app.start(["fim-exec", "sh", "-c", tree])
  yield* running.says(/ready/)
  yield* running.signal("SIGKILL")
  yield* running.exited
  yield* app.isClean
}, Effect.scoped)

/** Kills a process of ours by its name; the caller must get an answer and nothing may stay. */
const killServant = Effect.fnUntraced(function*(app: Place, name: string) {
  // The guest reads a file over and over, so that it notices when the layers are gone.
  const running = yield* app.start([
    "fim-exec",
    "sh",
    "-c",
    "echo ready; while cat /bin/busybox > /dev/null; do :; done; exit 3"
  ])
  yield* running.says(/ready/)
  const servant = processesIn([app.global]).find((process) => process.name === name)
  assert(servant !== undefined, `there is no process named ${name}`)
  process.kill(servant.pid, "SIGKILL")
  const code = yield* running.exited
  // With the janitor goes whoever cleans `work` of the data directory; that is left to the next start.
  if (name === "fim-janitor") assert.strictEqual((yield* app.run(["fim-exec", "true"])).code, 0)
  yield* app.isClean
  return { code, stderr: running.stderr() }
}, Effect.scoped)

/** Puts a process into the holder's namespace whose end nobody notices until `go`, so that the namespace cannot end before. */
const lingering = (app: Place, holder: number) =>
  Effect.gen(function*() {
    const users = isRoot ? [] : ["--user", "--preserve-credentials"]
    const script = "echo $$; exec sleep 1000"
    const parent = yield* Process.start(
      ["nsenter", ...users, "--pid", "--target", String(holder), "sh", "-c", script],
      { environment: app.environment }
    )
    yield* parent.says(/\n/)
    yield* parent.signal("SIGSTOP")
    // On a busy machine it could take note of its child's end before it stops.
    yield* eventually("a stop", () => /^State:\tT/m.test(readFileSync(`/proc/${parent.pid}/status`, "utf8")))
    return { go: parent.signal("SIGCONT") }
  })

describe.each(users)("as $name, SIGKILL", (user) => {
  scenario("in each phase leaves nothing behind", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const phases = yield* phasesOf(app)
      assert.includeMembers(phases, ["relocate", "janitor", "layers", "mount", "sandbox", "end"])
      for (const phase of phases) {
        for (let round = 0; round < 3; round++) yield* killAtPhase(app, phase)
      }
    }))

  scenario("after any time from the start leaves nothing behind", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (let milliseconds = 0; milliseconds < 150; milliseconds += 8) yield* killAfter(app, milliseconds)
    }))

  scenario(
    "of a run with a tree of processes in the guest leaves nothing behind",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        for (let round = 0; round < 8; round++) yield* killWithTree(app)
      })
  )

  scenario(
    "while the runtime is unpacked leaves nothing that disturbs the next start",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true })
        for (const milliseconds of [5, 40, 80, 120, 160, 200]) yield* killAfter(app, milliseconds)
        const outcome = yield* app.run(["fim-exec", "echo", "sound"])
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "sound\n", ""])
        yield* app.isClean
      })
  )

  for (const name of ["fim-janitor", "fim-holder"]) {
    scenario(`of ${name} ends the run with a failure of ours`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { code, stderr } = yield* killServant(app, name)
        assert.strictEqual(code, 125)
        assert.match(stderr, /the janitor has ended/)
      }))
  }

  scenario(
    "of fim-janitor lets nobody else have the data directory before the last process has ended",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        yield* app.run(["fim-exec", "true"])
        const began = performance.now()
        const first = yield* app.start(["fim-exec", "sh", "-c", "echo ready; sleep 1000"])
        yield* first.says(/ready/)
        const aStart = performance.now() - began
        const ours = processesIn([app.global])
        const pidOf = (name: string) => ours.find((process) => process.name === name)?.pid ?? 0
        const holder = pidOf("fim-holder")
        const last = yield* lingering(app, holder)
        process.kill(pidOf("fim-janitor"), "SIGKILL")
        assert.strictEqual(yield* first.exited, 125)
        // Before its end has begun, the second start may join its namespaces and use what is mounted there.
        yield* eventually("the end of the holder", () =>
          !readFileSync(`/proc/${holder}/status`, "utf8").includes("VmSize"))
        const second = yield* app.start(["fim-exec", "true"])
        const early = yield* Effect.timeoutOption(second.exited, Math.min(5 * aStart, 5000))
        assert.isTrue(Option.isNone(early), "the second start did not wait for the end of the first")
        yield* last.go
        assert.strictEqual(yield* second.exited, 0)
        yield* app.isClean
      })
  )

  scenario("of fim-dwarfs ends a program that reads", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const { code, stderr } = yield* killServant(app, "fim-dwarfs")
      // The program's own code, or ours.
      assert.include([3, 125], code)
      assert.notStrictEqual(stderr, "")
    }))
})
