import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { disappears } from "./Leftovers.ts"
import { inMounts } from "./Mounts.ts"
import { root, scenario } from "./Needs.ts"
import { temporary } from "./Place.ts"
import * as Process from "./Process.ts"
import { self } from "./Users.ts"

const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }

/** A directory as a run has it, with no trace of one. */
const traces = Effect.map(temporary(self), (directory) => {
  const [global, data] = [`${directory}/global`, `${directory}/data`]
  mkdirSync(`${global}/app/a_1/instance`, { recursive: true })
  mkdirSync(`${data}/work`, { recursive: true })
  writeFileSync(`${data}/work/lock`, "")
  return { directory, global, data }
})

/** What the check says of traces, with a pattern for it. */
const assertFound = Effect.fnUntraced(function*(where: Parameters<typeof disappears>[0], pattern: RegExp) {
  assert.match((yield* Effect.flip(disappears(where))).message, pattern)
})

describe("the check for leftovers", () => {
  it.live("finds nothing where nothing is", () =>
    Effect.gen(function*() {
      assert.isBelow(yield* disappears(yield* traces), 1000)
    }))

  it.live("finds a process by its words, its variables and its directory", () =>
    Effect.gen(function*() {
      const where = yield* traces
      const hints: ReadonlyArray<readonly [words: ReadonlyArray<string>, options: Process.Options]> = [
        [["sh", "-c", "sleep 9; :", where.directory], {}],
        [["sleep", "9"], { environment: { ...environment, HINT: `${where.global}/x` } }],
        [["sleep", "9"], { directory: where.data }]
      ]
      for (const [words, options] of hints) {
        yield* Effect.scoped(
          Effect.andThen(Process.start(words, { environment, ...options }), assertFound(where, /process \d+/))
        )
      }
      yield* disappears(where)
    }))

  it.live("finds directories of instances, and what an overlay leaves", () =>
    Effect.gen(function*() {
      const [first, second] = [yield* traces, yield* traces]
      mkdirSync(`${first.global}/app/a_1/instance/.7`)
      yield* assertFound(first, /instance directory .*\/\.7/)
      mkdirSync(`${second.data}/work/7`)
      yield* assertFound(second, /work\/7/)
    }))

  scenario("finds a mount that only another process sees", [root], () =>
    Effect.gen(function*() {
      const where = yield* traces
      // Nothing of the process itself names the directory.
      const script = "mount -t tmpfs tmpfs \"$(cat)\"; echo ready"
      const command = inMounts(script, ["env", "-i", "sleep", "9"])
      const running = yield* Process.start(command, { environment, input: where.data })
      yield* running.says(/ready/)
      yield* assertFound(where, /mount seen by \d+: .*tmpfs/)
    }))

  it.live("waits for what is on its way out", () =>
    Effect.gen(function*() {
      const where = yield* traces
      yield* Process.start(["sleep", "0.3"], { environment, directory: where.data })
      assert.isAbove(yield* disappears(where), 100)
    }))
})
