/** What a program has written is in the upper directory, whatever is killed: also what it has not closed yet. */
import { assert, describe, inject } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { processesIn } from "../support/Leftovers.ts"
import { images, scenario } from "../support/Needs.ts"
import { compiler, operationsLayer } from "../support/Operations.ts"
import { place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

const stacks = [
  { name: "bwrap", environment: { FIM_OVERLAY: "bwrap" } },
  { name: "overlayfs", environment: { FIM_OVERLAY: "overlayfs" } },
  { name: "unionfs", environment: { FIM_OVERLAY: "unionfs" } },
  { name: "casefold", environment: { FIM_OVERLAY: "unionfs", FIM_CASEFOLD: "1" } }
]

/** Kills the boot program, or a process of ours by its name, while a guest holds a file and a mapping open. */
const killWhileHeld = Effect.fnUntraced(
  function*(user: (typeof users)[number], given: Readonly<Record<string, string>>, name?: string) {
    const app = yield* place(user)
    const environment = { ...given, FIM_LAYERS: operationsLayer(inject("images").directory) }
    const running = yield* app.start(["fim-exec", "/operations", "/t", "hold"], { environment })
    yield* running.says(/^held$/m)
    if (name === undefined) yield* running.signal("SIGKILL")
    else {
      const victim = processesIn([app.global]).find((process) => process.name === name)
      assert(victim !== undefined, `there is no process named ${name}`)
      process.kill(victim.pid, "SIGKILL")
    }
    yield* running.exited
    yield* app.isClean
    const read = (file: string) => readFileSync(`${app.data}/data/t/${file}`, "latin1")
    return { written: read("written"), mapped: read("mapped-here").slice(0, 2) }
  },
  Effect.scoped
)

describe.each(users)("as $name", (user) => {
  for (const { name, environment } of stacks) {
    scenario(
      `'${name}' loses nothing of a program that is killed`,
      [...images, compiler],
      () =>
        Effect.gen(function*() {
          // The guest ends first, while its files are still served, so that mappings are written too.
          assert.deepStrictEqual(yield* killWhileHeld(user, environment), { written: "written", mapped: "M-" })
          const { written } = yield* killWhileHeld(user, environment, "fim-holder")
          assert.strictEqual(written, "written")
        })
    )
  }
})
