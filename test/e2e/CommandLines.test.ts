import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { readdirSync, readFileSync } from "node:fs"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { writeField } from "../support/Reserved.ts"
import { users } from "../support/Users.ts"

/** Processes of the machine whose command line holds a text. */
const telling = (text: string): ReadonlyArray<number> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(text) ? [Number(pid)] : []
    } catch {
      return []
    }
  })

/** More binds than a start can have. */
const manyBinds = Object.fromEntries(
  Array.from({ length: 3000 }, (_, index) => [`${index}`, { src: "/etc/hostname", dst: `/b/${index}`, type: "ro" }])
)

describe.each(users)("as $name, command lines", (user) => {
  scenario(
    "tell nothing of variables and settings, and arguments only where they have to",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const mark = `${process.pid}${user.uid}`
        for (
          const words of [
            ["fim-env", "add", `TOKEN=token-${mark}`],
            ["fim-bind", "add", "ro", app.home, `/bound-${mark}`],
            ["fim-perms", "set", "home,network"]
          ]
        ) assert.strictEqual((yield* app.run(words)).code, 0)
        const running = yield* app.start(
          ["fim-exec", "sh", "-c", "echo \"$TOKEN\"; ls -d /bound*; sleep 1000; true", `argument-${mark}`],
          { environment: { LC_ALL: `locale-${mark}` } }
        )
        yield* running.says(new RegExp(`token-${mark}\n/bound-${mark}`))
        for (const name of ["token", "bound", "locale"]) assert.deepStrictEqual(telling(`${name}-${mark}`), [], name)
        // The caller's own command, and the program itself.
        // A shell that starts a program is there twice for a moment.
        const settled = Effect.sync(() => telling(`argument-${mark}`))
        const said = yield* Effect.repeat(settled, {
          until: (pids) => pids.length === 2,
          schedule: Schedule.spaced(20),
          times: 50
        })
        assert.strictEqual(said.length, 2)
        assert.include(said, running.pid)
        yield* running.signal("SIGKILL")
        yield* running.exited
        yield* app.isClean
      })
  )

  scenario(
    "may be as long as the kernel takes them, and longer ones give its own error",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const many = yield* app.shell("seq 20000 | xargs \"$app\" fim-exec echo | wc -w")
        assert.deepStrictEqual([many.code, many.stdout.trim(), many.stderr], [0, "20000", ""])
        const long = yield* app.shell(
          "\"$app\" fim-exec sh -c 'echo ${#1}' sh \"$(head -c 131071 /dev/zero | tr '\\0' x)\""
        )
        assert.deepStrictEqual([long.code, long.stdout, long.stderr], [0, "131071\n", ""])
        // Far beyond what bubblewrap takes, in number and in bytes. The limit is two MiB with a stack of eight.
        const all = yield* app.shell(
          "ulimit -S -s 8192; printf '%s\\n' $(seq 90000) | sed 's/$/-xxxxxxxx/' | xargs -n 90000 -s 2000000 \"$app\" fim-exec echo | wc -w"
        )
        assert.deepStrictEqual([all.code, all.stdout.trim(), all.stderr], [0, "90000", ""])
        // Up to the kernel's limit, where the program or the launcher cannot be executed any more.
        const last = yield* app.shell(
          "ulimit -S -s 8192; a=$(head -c 100000 /dev/zero | tr '\\0' x); set -- $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a;"
            + " for n in 80000 94000 95000 95500 96000 96500 97000; do"
            + " \"$app\" fim-exec true \"$@\" \"$(head -c $n /dev/zero | tr '\\0' x)\"; echo $?; done"
        )
        assert.match(last.stdout, /^(0\n)+(12[56]\n)+$/)
        for (const line of last.stderr.trim().split("\n")) {
          assert.match(line, /Argument list too long|exited with an error/)
        }
      })
  )

  scenario("do not keep settings from being refused that are too many", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      writeField(app.image, "bindings", JSON.stringify(manyBinds))
      const { code, stderr, stdout } = yield* app.run(["fim-exec", "echo", "ran"], { environment: { FIM_DEBUG: "1" } })
      assert.strictEqual(code, 125)
      assert.match(stderr, /E::the settings make 9600 options for bubblewrap, which accepts 9000; remove binds/)
      assert.notMatch(stdout + stderr, /Phase: (mount|sandbox)|^ran/m)
      yield* app.isClean
    }))
})
