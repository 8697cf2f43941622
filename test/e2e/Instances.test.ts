import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { makeMark } from "../support/Layers.ts"
import { images, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import type { Running } from "../support/Process.ts"
import { users } from "../support/Users.ts"

const many = 20

/** Starts a guest that says `ready` and then runs what it is told on standard input. */
const shell = (app: Place, environment: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; exec sh"], {
      interactive: true,
      environment
    })
    return running
  })

const isReady = (running: Running) => running.says(/ready/)

const end = (running: Running, code = 0) =>
  Effect.gen(function*() {
    yield* running.write(`exit ${code}\n`)
    return yield* running.outcome
  })

describe.each(users)("as $name", (user) => {
  scenario(
    `${many} instances at once on one data directory are all right, and are gone after`,
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        // The runtime is unpacked before, so that this is about running.
        yield* app.run(["fim-exec", "true"])
        const instances = yield* Effect.all(Array.from({ length: many }, () => shell(app)), {
          concurrency: "unbounded"
        })
        yield* Effect.forEach(instances, isReady, { concurrency: "unbounded" })
        for (const [index, running] of instances.entries()) {
          yield* running.write(`echo ${index} > /file${index}; echo written\n`)
        }
        yield* Effect.forEach(instances, (running) => running.says(/written/), { concurrency: "unbounded" })
        // Each sees what all the others have written.
        for (const running of instances) {
          yield* running.write("cat /file* | wc -l; sha256sum < /bin/busybox; echo seen\n")
        }
        yield* Effect.forEach(instances, (running) => running.says(/seen/), { concurrency: "unbounded" })
        const outcomes = yield* Effect.forEach(instances, (running, index) => end(running, index), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(outcomes.map(({ code }) => code), Array.from({ length: many }, (_, index) => index))
        assert.deepStrictEqual([...new Set(outcomes.map(({ stderr }) => stderr))], [""])
        assert.strictEqual(new Set(outcomes.map(({ stdout }) => stdout)).size, 1)
        assert.match(outcomes[0]?.stdout ?? "", new RegExp(`^ready\nwritten\n${many}\n[0-9a-f]{64}  -\nseen\n$`))
        yield* app.isClean
        const files = readdirSync(`${app.data}/data`).filter((name) => name.startsWith("file"))
        assert.strictEqual(files.length, many)
      })
  )

  scenario(`${many} short runs started together all give their own output`, images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const run = (index: number) => app.run(["fim-exec", "sh", "-c", `echo ${index}; exit ${index}`])
      const outcomes = yield* Effect.forEach(Array.from({ length: many }, (_, index) => index), run, {
        concurrency: many
      })
      for (const [index, outcome] of outcomes.entries()) {
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [index, `${index}\n`, ""])
      }
      yield* app.isClean
    }))

  scenario("runs that start while others end are all right", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const worker = Effect.forEach(Array.from({ length: 12 }), () => app.run(["fim-exec", "echo", "whole"]))
      const outcomes = (yield* Effect.all(Array.from({ length: 6 }, () => worker), { concurrency: "unbounded" })).flat()
      const others = outcomes.filter(({ code, stderr, stdout }) => code !== 0 || stdout !== "whole\n" || stderr !== "")
      assert.deepStrictEqual(others, [])
      yield* app.isClean
    }))

  for (const way of ["ends", "is killed"]) {
    scenario(`an instance that has joined another goes on when that ${way}`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const first = yield* shell(app)
        yield* isReady(first)
        const second = yield* shell(app)
        yield* isReady(second)
        if (way === "ends") assert.strictEqual((yield* end(first, 3)).code, 3)
        else {
          yield* first.signal("SIGKILL")
          yield* first.exited
        }
        const third = yield* shell(app)
        yield* isReady(third)
        yield* second.write(
          "cat /usr/bin/busybox /usr/bin/bash | wc -c > /size; echo later > /later; cat /later; echo done\n"
        )
        yield* second.says(/later\ndone/)
        yield* third.write("cat /later; echo done\n")
        yield* third.says(/later\ndone/)
        const outcomes = [yield* end(second, 4), yield* end(third, 5)]
        assert.deepStrictEqual(outcomes.map(({ code, stderr }) => [code, stderr]), [[4, ""], [5, ""]])
        yield* app.isClean
        assert.strictEqual(readFileSync(`${app.data}/data/later`, "utf8"), "later\n")
        assert.isAbove(Number(readFileSync(`${app.data}/data/size`, "utf8")), 1_000_000)
      }))
  }

  for (const overlay of ["overlayfs", "unionfs"]) {
    scenario(
      `instances share an overlay that ${overlay} serves, until the last has ended`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user)
          const environment = { FIM_OVERLAY: overlay }
          const first = yield* shell(app, environment)
          yield* isReady(first)
          yield* first.write("echo one > /one; echo done\n")
          yield* first.says(/done/)
          const second = yield* shell(app, environment)
          yield* isReady(second)
          yield* second.write("cat /one; echo two > /two; echo done\n")
          yield* second.says(/one\ndone/)
          // What has mounted it ends first.
          assert.deepStrictEqual([(yield* end(first, 3)).code], [3])
          const listed = (yield* app.run(["fim-instance", "list"])).stdout.split("\n")
          assert.isTrue(listed.every((line) => !line.endsWith(`:${first.pid}`)), listed.join())
          const third = yield* shell(app, environment)
          yield* isReady(third)
          yield* third.write("cat /one /two; echo three > /three; echo done\n")
          yield* third.says(/one\ntwo\ndone/)
          assert.strictEqual((yield* end(second, 4)).code, 4)
          yield* third.write("cat /usr/bin/busybox | wc -c; cat /three; echo more\n")
          yield* third.says(/three\nmore/)
          assert.strictEqual((yield* end(third, 5)).code, 5)
          yield* app.isClean
          for (const name of ["one", "two", "three"]) {
            assert.strictEqual(readFileSync(`${app.data}/data/${name}`, "utf8"), `${name}\n`)
          }
          // A boot program that is killed changes nothing for others, and its janitor takes them along.
          const served = yield* shell(app, environment)
          yield* isReady(served)
          const joined = yield* shell(app, environment)
          yield* isReady(joined)
          yield* served.signal("SIGKILL")
          yield* served.exited
          yield* joined.write("cat /three; echo on\n")
          yield* joined.says(/three\non/)
          const owner = readdirSync(`${app.global}/app`).map((name) =>
            `${app.global}/app/${name}/instance/${served.pid}/owner`
          )
            .find((path) => existsSync(path)) ?? ""
          // Until the janitor has written itself down there, the boot program stands in it, which is gone.
          yield* Effect.try(() => process.kill(Number(readFileSync(owner, "utf8").split(" ")[0]), "SIGKILL")).pipe(
            Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 100 })
          )
          const outcome = yield* joined.outcome
          assert.strictEqual(outcome.code, 125)
          assert.match(outcome.stderr, /^E::the instance that served the files of this one was killed\n/)
          // What a killed janitor leaves goes with the next start.
          assert.strictEqual((yield* app.run(["fim-exec", "true"], { environment })).code, 0)
          yield* app.isClean
        })
    )
  }

  scenario(
    "an instance with other layers on a data directory in use fails at once",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const layer = makeMark(`${app.directory}/layer`, 1)
        const first = yield* shell(app)
        yield* isReady(first)
        const started = performance.now()
        const second = yield* app.run(["fim-exec", "true"], { environment: { FIM_LAYERS: layer } })
        assert.isBelow(performance.now() - started, 5000)
        assert.deepStrictEqual([second.code, second.stdout], [125, ""])
        assert.match(second.stderr, /in use by an instance with other layers.*FIM_DIR_DATA/)
        const elsewhere = yield* app.run(["fim-exec", "cat", "/top"], {
          environment: { FIM_LAYERS: layer, FIM_DIR_DATA: `${app.home}/other` }
        })
        assert.deepStrictEqual([elsewhere.code, elsewhere.stdout], [0, "1\n"])
        assert.strictEqual((yield* end(first)).code, 0)
        yield* app.isClean
        const after = yield* app.run(["fim-exec", "cat", "/top"], { environment: { FIM_LAYERS: layer } })
        assert.deepStrictEqual([after.code, after.stdout], [0, "1\n"])
      })
  )

  scenario("instances on data directories whose names begin alike do not meet", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const first = yield* shell(app, { FIM_DIR_DATA: `${app.home}/data` })
      yield* isReady(first)
      yield* first.write("echo > /only-here; echo done\n")
      yield* first.says(/done/)
      const second = yield* app.run(["fim-exec", "test", "-e", "/only-here"], {
        environment: { FIM_DIR_DATA: `${app.home}/data2` }
      })
      assert.deepStrictEqual([second.code, second.stderr], [1, ""])
      assert.strictEqual((yield* end(first)).code, 0)
      assert.isTrue(existsSync(`${app.home}/data/data/only-here`))
    }))
})
