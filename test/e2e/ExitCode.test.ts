import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chmodSync, writeFileSync } from "node:fs"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import type { Outcome } from "../support/Process.ts"
import { users } from "../support/Users.ts"

/** Signals that end a program. A shell is immune to SIGQUIT, which the tests of the terminal send to another program. */
const signals = { HUP: 1, INT: 2, ABRT: 6, KILL: 9, USR1: 10, SEGV: 11, USR2: 12, PIPE: 13, ALRM: 14, TERM: 15 }

/** A failure of ours: its code, nothing on standard output, and a sentence that says what it is about. */
const assertOwnFailure = (outcome: Outcome, words: RegExp) => {
  assert.strictEqual(outcome.stdout, "")
  assert.match(outcome.stderr, words)
  assert.strictEqual(outcome.code, 125)
}

const said = (outcome: Outcome) => [outcome.code, outcome.stdout, outcome.stderr]

describe.each(users)("as $name", (user) => {
  scenario("the exit code is the program's", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (const code of [0, 1, 7, 125, 126, 255]) {
        const outcome = yield* app.run(["fim-exec", "sh", "-c", `exit ${code}`])
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [code, "", ""])
      }
      yield* app.isClean
    }))

  scenario("a program that signal n ends gives 128 + n", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (const [name, number] of Object.entries(signals)) {
        const outcome = yield* app.run(["fim-exec", "sh", "-c", `kill -${name} $$`])
        assert.deepStrictEqual([name, outcome.code, outcome.stdout], [name, 128 + number, ""])
      }
      yield* app.isClean
    }))

  scenario("a program that is not there gives 127, and one that cannot run 126", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const unknown = yield* app.run(["fim-exec", "no-such-program"])
      assert.deepStrictEqual([unknown.code, unknown.stdout], [127, ""])
      assert.match(unknown.stderr, /^no-such-program: command not found\n$/)
      const missing = yield* app.run(["fim-exec", "/no/such/program"])
      assert.deepStrictEqual([missing.code, missing.stdout], [127, ""])
      assert.match(missing.stderr, /^\/no\/such\/program: No such file or directory\n$/)
      for (const path of ["/etc", "/plain"]) {
        yield* app.run(["fim-root", "sh", "-c", "echo text > /plain; chmod 644 /plain"])
        const refused = yield* app.run(["fim-exec", path])
        assert.deepStrictEqual([refused.code, refused.stdout], [126, ""])
        assert.match(refused.stderr, new RegExp(`^${path}: Permission denied`))
      }
      yield* app.isClean
    }))

  scenario(
    "a failure of ours gives 125, a sentence on standard error and nothing on standard output",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        assertOwnFailure(yield* app.run(["fim-exec"]), /Incorrect number of arguments for fim-exec/)
        assertOwnFailure(yield* app.run(["fim-root"]), /Incorrect number of arguments for fim-root/)
        const file = `${app.directory}/file`
        writeFileSync(file, "")
        chmodSync(file, 0o444)
        const environment = { FIM_DIR_DATA: `${file}/data` }
        assertOwnFailure(yield* app.run(["fim-exec", "true"], { environment }), /data directory.*FIM_DIR_DATA/)
        yield* app.isClean
      })
  )

  scenario("the program runs as its caller, or as root when asked", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      assert.deepStrictEqual(said(yield* app.run(["fim-exec", "id", "-u"])), [0, `${user.uid}\n`, ""])
      assert.deepStrictEqual(said(yield* app.run(["fim-exec", "id", "-g"])), [0, `${user.gid}\n`, ""])
      assert.deepStrictEqual(said(yield* app.run(["fim-root", "id", "-u"])), [0, "0\n", ""])
      const environment = { FIM_ROOT: "1" }
      assert.deepStrictEqual(said(yield* app.run(["fim-exec", "id", "-u"], { environment })), [0, "0\n", ""])
      yield* app.isClean
    }))
})
