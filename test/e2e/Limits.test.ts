import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

/** Options of `ulimit`, by what they leave little of. Sizes are in KiB. */
const enough = {
  "address space": "-v 1200000",
  memory: "-d 65536",
  stack: "-S -s 512"
}

const limited = (limit: string, image: string, words: ReadonlyArray<string>) => [
  "-c",
  `ulimit ${limit} && exec "$@"`,
  "bash",
  image,
  ...words
]

describe.each(users)("as $name, with a limit on", (user) => {
  for (const [what, limit] of Object.entries(enough)) {
    scenario(
      `${what} that is far below what others have, programs run and settings change`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user, { copy: true })
          const run = (words: ReadonlyArray<string>) => app.run(limited(limit, app.image, words), { program: "bash" })
          // Unpacked before, since that takes threads and memory that a start does not.
          yield* app.run(["fim-exec", "true"])
          const { code, stderr, stdout } = yield* run(["fim-exec", "echo", "hi"])
          assert.deepStrictEqual([code, stdout, stderr], [0, "hi\n", ""])
          const changed = yield* run(["fim-env", "set", "A=1"])
          assert.deepStrictEqual([changed.code, changed.stderr], [0, ""])
          yield* app.isClean
        })
    )
  }

  scenario("processes, a program runs or one line says why not", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      yield* app.run(["fim-exec", "true"])
      // What else this user runs counts too. Root has no limit.
      for (const limit of ["-u 16", "-u 8", "-u 4", "-u 2"]) {
        const words = limited(limit, app.image, ["fim-exec", "echo", "hi"])
        const { code, stderr, stdout } = yield* app.run(words, { program: "bash" })
        if (code === 0) assert.deepStrictEqual([limit, stdout, stderr], [limit, "hi\n", ""])
        else {
          assert.deepStrictEqual([limit, code, stdout], [limit, 125, ""])
          assert.match(stderr, /^[^\n]*Resource temporarily unavailable[^\n]*\n/)
        }
      }
      yield* app.isClean
    }))

  scenario("open files, one line says what there is too little of", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      yield* app.run(["fim-exec", "true"])
      const words = limited("-n 20", app.image, ["fim-exec", "true"])
      const { code, stderr, stdout } = yield* app.run(words, { program: "bash" })
      assert.deepStrictEqual([code, stdout], [125, ""])
      assert.match(stderr, /^E::[^\n]*Too many open files[^\n]*\nE::The program exited with an error\n$/)
      yield* app.isClean
    }))

  scenario("memory that nothing can do with, one line says so, and nothing else", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      yield* app.run(["fim-exec", "true"])
      const { code, stderr, stdout } = yield* app.run(limited("-d 1024", app.image, ["fim-env", "list"]), {
        program: "bash"
      })
      assert.deepStrictEqual([code, stdout], [125, ""])
      assert.match(stderr, /^[CE]::[^\n]*memory[^\n]*\n$/)
      yield* app.isClean
    }))
})
