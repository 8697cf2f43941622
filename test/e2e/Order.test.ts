/** Layers that are ordered by what a program reads. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { elsewhere, guest, succeeds } from "../support/Commands.ts"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

/** Two files of 8 MiB that do not compress, and then a small part of the second. */
const make = "head -c 8388608 /dev/urandom > /opt/a.so; head -c 8388608 /dev/urandom > /opt/b.so; sha256sum /opt/*.so"
const read = "dd if=/opt/b.so bs=4096 skip=1500 count=4 status=none | sha256sum"

/** The blocks of the highest layer that the last start of `sh` has read. */
const lastRead = (data: string): ReadonlyArray<number> => {
  const starts = JSON.parse(readFileSync(`${data}/work/start`, "utf8")) as {
    readonly programs: ReadonlyArray<{
      readonly name: string
      readonly blocks: ReadonlyArray<ReadonlyArray<readonly [number, number]>>
    }>
  }
  const blocks = starts.programs.find(({ name }) => name === "sh")?.blocks.at(-1) ?? []
  return blocks.map(([block]) => block)
}

describe.each(users)("as $name", (user) => {
  scenario(
    "a commit stores first what a command reads, and reads back as before",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        const sums = yield* guest(app, make)
        const stdout = yield* succeeds(app, ["fim-layer", "commit", "binary", "--order-by-run", read])
        assert.include(stdout, `I::Running '${read}' to see what it reads\n`)
        assert.strictEqual(yield* elsewhere(app, "sha256sum /opt/*.so"), sums)
        // Blocks of 512 KiB: without an order the place is in block 27 of 32.
        yield* guest(app, read)
        assert.deepStrictEqual(lastRead(app.data), [0])
      }),
    60_000
  )

  scenario("a command that cannot be run leaves everything as it is", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* guest(app, "echo new > /opt/new")
      const before = readFileSync(app.image)
      const refused = yield* app.run(["fim-layer", "commit", "binary", "--order-by-run", "no-such-program"])
      assert.strictEqual(refused.code, 125)
      assert.include(refused.stderr, "E::'no-such-program' could not be run: exit code 127\n")
      assert.isTrue(before.equals(readFileSync(app.image)))
      assert.strictEqual(yield* guest(app, "cat /opt/new"), "new\n")
      const early = yield* app.run(["fim-layer", "commit", "binary", "--order-by-run", "cat /opt/new; exit 3"])
      assert.strictEqual(early.code, 0)
      assert.include(early.stderr, "W::'cat /opt/new; exit 3' ended with 3: ordered by what it read until then\n")
      assert.strictEqual(yield* elsewhere(app, "cat /opt/new"), "new\n")
    }), 60_000)
})
