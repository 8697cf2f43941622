/** Who is killed leaves none of its children behind, whatever they were doing. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { guest } from "../support/Commands.ts"
import { Failure } from "../support/Failure.ts"
import { processesIn } from "../support/Leftovers.ts"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { projectRoot } from "../support/Project.ts"
import { users } from "../support/Users.ts"
import { workshop } from "../support/Workshop.ts"

/** Waits until no process has anything to do with a directory; fails with those that have after two seconds. */
const nobodyIn = (directory: string, what: string): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    for (let waited = 0; waited < 200; waited++) {
      if (processesIn([directory]).length === 0) return
      yield* Effect.sleep(10)
    }
    const left = processesIn([directory]).map(({ command, pid }) => `${pid}: ${command}`)
    if (left.length > 0) return yield* new Failure({ detail: `${what} has left\n${left.join("\n")}` })
  })

const kill = (pid: number) => Effect.ignore(Effect.try(() => process.kill(pid, "SIGKILL")))

const delays = [30, 120, 300, 700, 1500, 3000]

describe.each(users)("as $name, a command that is killed", (user) => {
  for (
    const [name, words] of [
      ["create", ["fim-layer", "create", "TREE", "TREE.layer"]],
      ["commit", ["fim-layer", "commit", "layer"]],
      ["squash", ["fim-layer", "squash"]]
    ] as const
  ) {
    scenario(`leaves nobody: ${name}`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const tree = `${app.directory}/tree`
        mkdirSync(tree)
        execFileSync("sh", ["-c", "head -c 48M /dev/urandom > \"$1/noise\"; chmod -R a+rX \"$1\"", "sh", tree])
        if (user.uid !== 0 && process.geteuid?.() === 0) {
          execFileSync("chown", ["-R", `${user.uid}:${user.gid}`, tree, app.directory])
        }
        if (name === "squash") {
          const added = yield* app.run(["fim-layer", "create", tree, `${tree}.layer`], {
            environment: { FIM_COMPRESSION_LEVEL: "0" },
            patience: 60_000
          })
          assert.strictEqual(added.code, 0, added.stderr)
          assert.strictEqual((yield* app.run(["fim-layer", "add", `${tree}.layer`])).code, 0)
        }
        let killed = 0
        for (const delay of delays) {
          if (name === "commit") yield* guest(app, "dd if=/dev/urandom of=/opt/noise bs=1048576 count=48 2> /dev/null")
          const running = yield* app.start(words.map((word) => word.replace("TREE", tree)), {
            environment: { FIM_COMPRESSION_LEVEL: "9" },
            patience: 60_000
          })
          yield* Effect.sleep(delay)
          if (running.child.exitCode === null) killed++
          yield* kill(running.pid)
          yield* running.exited
          yield* nobodyIn(app.directory, `${name}, killed after ${delay} ms,`)
        }
        assert.isAbove(killed, 3)
        // That of a squash is a directory, which the next one removes.
        if (name === "create") {
          assert.deepStrictEqual(readdirSync(app.directory).filter((entry) => entry.endsWith(".unfinished")), [])
        }
      }), 180_000)
  }
})

scenario("a build that is killed leaves nobody", images, () =>
  Effect.gen(function*() {
    const { directory, environment } = yield* workshop
    mkdirSync(`${directory}/root/bin`, { recursive: true })
    execFileSync("sh", ["-c", "head -c 64M /dev/urandom > \"$1/noise\"", "sh", `${directory}/root`])
    writeFileSync(
      `${directory}/app.flatimage.json`,
      JSON.stringify({
        format: 1,
        base: { dist: "blueprint" },
        steps: [{ run: `(setsid sleep 600 &) ; sleep 600 # ${directory}` }]
      })
    )
    for (const words of [["app.flatimage.json"], ["--rootfs", `${directory}/root`, "--level", "9"]]) {
      for (const delay of [...delays, 6000]) {
        const running = yield* Process.start(
          [`${projectRoot}/bin/flatimage`, "build", ...words, "-o", `${directory}/app.flatimage`],
          { directory, environment, patience: 60_000 }
        )
        yield* Effect.sleep(delay)
        yield* kill(running.pid)
        yield* running.exited
        yield* nobodyIn(directory, `${words[0]}, killed after ${delay} ms,`)
      }
    }
  }), 180_000)

/** As `src/builder/Programs.ts` runs the machine's package managers. */
scenario("a program that is tied takes all that it has started with it", [], () =>
  Effect.gen(function*() {
    const { directory, environment } = yield* workshop
    const script = "(setsid sh -c 'sleep 600; :' &); (sleep 600 &); sleep 600; :"
    const caller = yield* Process.start(
      ["sh", "-c", `"$0" -- sh -c "$1"; :`, `${projectRoot}/build/native/tied`, script],
      { directory, environment }
    )
    yield* Effect.sleep(300)
    assert.isAtLeast(processesIn([directory]).length, 5)
    yield* kill(caller.pid)
    yield* caller.exited
    yield* nobodyIn(directory, "the caller")
    const tied = (words: string) =>
      Process.run([`${projectRoot}/build/native/tied`, "--", "sh", "-c", words], { directory, environment })
    assert.strictEqual((yield* tied("(setsid sleep 600 &); exit 7")).code, 7)
    yield* nobodyIn(directory, "a program that has ended")
    assert.strictEqual((yield* tied("kill -TERM $$")).code, 143)
  }))
