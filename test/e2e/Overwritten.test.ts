/** Files that are written to while an image runs. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { copyFileSync, readFileSync, renameSync, truncateSync, writeFileSync } from "node:fs"
import { succeeds } from "../support/Commands.ts"
import { images, scenario } from "../support/Needs.ts"
import { debian, place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

const needs = [...images, debian]

/** Waits for a line, then reads programs that no start has read. */
const read = "echo ready; read line; cat /usr/bin/* > /dev/null; echo done"

describe.each(users)("as $name, an image that runs", (user) => {
  const ways: ReadonlyArray<readonly [string, (image: string) => void]> = [
    ["with zeros", (image) => writeFileSync(image, Buffer.alloc(30_000_000))],
    ["with another program", (image) => copyFileSync("/bin/ls", image)],
    ["by cutting it off", (image) => truncateSync(image, 10_000_000)],
    ["by emptying it", (image) => truncateSync(image, 0)]
  ]
  for (const [way, write] of ways) {
    scenario(`and is overwritten ${way} ends with one line`, needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { image: "debian", copy: true })
        const running = yield* app.start(["fim-exec", "sh", "-c", read], { interactive: true })
        yield* running.says(/ready/)
        write(app.image)
        yield* running.write("\n")
        const { code, stderr, stdout } = yield* running.outcome
        assert.deepStrictEqual([code, stdout], [125, "ready\n"])
        assert.strictEqual(stderr, `C::'${app.image}' was overwritten while it ran; replace it with mv or install\n`)
        yield* app.isClean
      }))
  }

  scenario(
    "goes on when our own commands change it, or another file takes its place",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { image: "debian", copy: true })
        const running = yield* app.start([
          "fim-exec",
          "sh",
          "-c",
          `${read}; echo once more; read line; cat /usr/sbin/* > /dev/null; echo end`
        ], {
          interactive: true
        })
        yield* running.says(/ready/)
        yield* succeeds(app, ["fim-env", "add", "A=b"])
        const layer = `${app.directory}/layer`
        yield* succeeds(app, ["fim-layer", "create", app.home, layer])
        yield* succeeds(app, ["fim-layer", "add", layer])
        yield* running.write("\n")
        yield* running.says(/once more/)
        copyFileSync(app.image, `${app.image}.new`)
        renameSync(`${app.image}.new`, app.image)
        yield* running.write("\n")
        const { code, stderr } = yield* running.outcome
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.isAbove(readFileSync(app.image).length, 0)
        yield* app.isClean
      })
  )
})
