import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { succeeds } from "../support/Commands.ts"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

const gibibyte = 1024 * 1024 * 1024

/** A gibibyte in which no two lines are equal, so that nothing can be lost, repeated or put elsewhere unnoticed. */
const lines = `seq 1 200000000 | head -c ${gibibyte}`

const patience = { patience: 100_000 }

describe.each(users)("as $name", (user) => {
  scenario("a gibibyte goes in and comes out byte for byte", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const expected = yield* app.shell(`${lines} | sha256sum`, patience)
      const echoed = yield* app.shell(`${lines} | "$app" fim-exec cat | sha256sum`, patience)
      assert.deepStrictEqual([echoed.stdout, echoed.stderr], [expected.stdout, ""])
      yield* app.isClean
    }))

  scenario("a gibibyte that the guest reads, and one that it writes, are whole", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const zeros = `dd if=/dev/zero bs=1M count=1024 2> /dev/null`
      const expected = yield* app.shell(`${zeros} | sha256sum`, patience)
      const read = yield* app.shell(`${zeros} | "$app" fim-exec sha256sum`, patience)
      assert.deepStrictEqual([read.stdout, read.stderr], [expected.stdout, ""])
      const written = yield* app.shell(`"$app" fim-exec sh -c '${zeros}' | sha256sum`, patience)
      assert.deepStrictEqual([written.stdout, written.stderr], [expected.stdout, ""])
    }))

  scenario(
    "standard output and standard error stay apart, and are files when they are given as files",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const script =
          "\"$app\" fim-exec sh -c 'echo out; echo err >&2; wc -c < /dev/stdin' < /etc/passwd > o 2> e; cat e o"
        const outcome = yield* app.shell(script, { directory: app.home })
        const { stdout: size } = yield* app.shell("wc -c < /etc/passwd")
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, `err\nout\n${size}`, ""])
      })
  )

  scenario("a reader that goes away ends the program", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const outcome = yield* app.shell("{ \"$app\" fim-exec yes; echo $? > code; } | head -n 1; cat code", {
        directory: app.home
      })
      assert.deepStrictEqual([outcome.stdout, outcome.stderr], ["y\n141\n", ""])
      yield* app.isClean
    }))

  scenario("standard streams that are closed are no reason to fail", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (const closed of ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]) {
        const outcome = yield* app.shell(`"$app" fim-exec sh -c 'exit 6' ${closed}`)
        assert.deepStrictEqual([closed, outcome.code, outcome.stderr], [closed, 6, ""])
      }
      yield* app.isClean
    }))

  scenario("an output that takes nothing more loses words, and no exit code", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const cases = [
        ["\"$app\" fim-exec no-such-program 2> /dev/full", 127],
        ["\"$app\" fim-exec fim_portal 2> /dev/full", 1],
        ["\"$app\" fim-exec fim_portal --help > /dev/full", 0],
        ["FIM_DIR_GLOBAL=/proc/none \"$app\" fim-exec true 2> /dev/full", 125],
        ["FIM_MAIN_OFFSET=1 \"$app\" > /dev/full", 125],
        ["\"$app\" fim-instance exec 0 true 2> /dev/full", 125],
        ["\"$app\" fim-env list > /dev/full", 125],
        ["\"$app\" fim-no-such 2> /dev/full", 125]
      ] as const
      yield* succeeds(app, ["fim-env", "set", "A=b"])
      for (const [command, code] of cases) {
        const outcome = yield* app.shell(command)
        assert.deepStrictEqual([command, outcome.code], [command, code])
      }
      yield* app.isClean
    }))
})
