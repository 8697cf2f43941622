/** What starts learn for later ones, and that no block is decompressed twice in one. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { makeMark, packLayer } from "../support/Layers.ts"
import { images, memory, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

/** `work/start` of a data directory, as far as it is looked at here. */
interface Starts {
  readonly programs: ReadonlyArray<{
    readonly name: string
    readonly again: number
    readonly blocks: ReadonlyArray<ReadonlyArray<readonly [block: number, end: number]>>
  }>
}

const learned = (app: Place) => (JSON.parse(readFileSync(`${app.data}/work/start`, "utf8")) as Starts).programs

const blockSize = 512 * 1024
/** In sum 160 MiB: what a start could read was once kept up to 128 MiB. */
const count = 320

describe.each(users)("as $name", (user) => {
  scenario(
    "what a start reads in turn is decompressed once",
    [...images, memory],
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const layer = packLayer(`${app.directory}/layer`, (tree) => {
          mkdirSync(`${tree}/large`)
          for (let file = 0; file < count; file++) {
            writeFileSync(`${tree}/large/${String(file).padStart(3, "0")}`, randomBytes(blockSize))
          }
        })
        // The beginning of each file, and then the end of each.
        const script = "head -c 4096 /large/* | wc -c && tail -c 4096 /large/* | wc -c"
        const outcome = yield* app.run(["fim-exec", "sh", "-c", script], { environment: { FIM_LAYERS: layer } })
        assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
        const [program] = learned(app)
        assert.isAtLeast(program?.blocks[1]?.length ?? 0, count)
        assert.strictEqual(program?.again, 0)
        yield* app.isClean
      })
  )

  scenario(
    "each program is remembered by itself",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const environment = { FIM_LAYERS: makeMark(`${app.directory}/layer`, 1) }
        const run = (...words: ReadonlyArray<string>) =>
          Effect.map(app.run(["fim-exec", ...words], { environment }), ({ code }) => assert.strictEqual(code, 0))
        yield* run("cat", "/top")
        const [cat] = learned(app)
        yield* run("true")
        assert.deepStrictEqual(learned(app).map(({ name }) => name), ["true", "cat"])
        assert.deepStrictEqual(learned(app)[1], cat)
        assert.isNotEmpty(cat?.blocks[1] ?? [], "it has read the upper layer")
        assert.isEmpty(learned(app)[0]?.blocks[1] ?? [], "and the other has not")
        yield* run("cat", "/top")
        assert.strictEqual(learned(app).length, 2)
        yield* app.isClean
      })
  )
})
