import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync } from "node:fs"
import { architecturesOf, filterOf, rules } from "../../../src/sandbox/Seccomp.ts"
import { compileAttacker, compiler, writeFilter } from "../../support/Attacker.ts"
import { images, isRoot, type Need, program, root, scenario } from "../../support/Needs.ts"
import { type Place, place } from "../../support/Place.ts"
import type { Outcome } from "../../support/Process.ts"
import { users } from "../../support/Users.ts"

const needs: ReadonlyArray<Need> = [...images, compiler, program("unshare"), program("setpriv")]

/** The refusal came before anything was made or mounted. */
const isRefused = Effect.fnUntraced(function*(app: Place, outcome: Outcome, reason: RegExp) {
  assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
  assert.match(outcome.stderr, reason)
  const work = `${app.data}/work`
  assert.deepStrictEqual(existsSync(work) ? readdirSync(work).filter((name) => name !== "lock") : [], [])
  yield* app.isClean
})

describe.each(users)("as $name, an image says why it cannot run where", (user) => {
  scenario("a filter around the caller forbids new namespaces", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const { path, remove } = yield* Effect.acquireRelease(
        Effect.sync(compileAttacker),
        ({ remove }) => Effect.sync(remove)
      )
      void remove
      const filter = `${app.directory}/filter`
      const namespaces = rules.filter(({ calls }) =>
        calls.some((call) => ["clone", "clone3", "unshare"].includes(call))
      )
      writeFilter(filter, filterOf(architecturesOf(process.arch), namespaces))
      const outcome = yield* app.run(["filtered", filter, app.image, "fim-exec", "true"], { program: path })
      yield* isRefused(app, outcome, /a filter of system calls around us forbids user namespaces/)
    }))

  // In a user namespace of its own, whose limit its root sets; without capabilities that root is anyone.
  scenario(
    "the host allows no user namespaces",
    user.uid === 0 || !isRoot ? needs : [...needs, root],
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true })
        const script = "echo 0 > /proc/sys/user/max_user_namespaces;"
          + " exec setpriv --bounding-set=-all --inh-caps=-all \"$@\""
        const words = ["--user", "--map-root-user", "sh", "-euc", script, "sh", app.image, "fim-exec", "true"]
        const outcome = yield* app.run(words, { program: "unshare" })
        yield* isRefused(app, outcome, /'user.max_user_namespaces' is 0/)
      })
  )
})
