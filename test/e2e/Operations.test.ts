/** Each cell of the table in docs/user/overlay.md. */
import { assert, describe, inject } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { makeMark } from "../support/Layers.ts"
import { images, scenario } from "../support/Needs.ts"
import { answers, compiler, operationsLayer } from "../support/Operations.ts"
import { place } from "../support/Place.ts"
import { projectRoot } from "../support/Project.ts"
import { users } from "../support/Users.ts"

const types = ["bwrap", "overlayfs", "unionfs"]

/** What the table says of a type: names of operations and whether they can be done. */
const promised = (type: string, isRoot: boolean): ReadonlyMap<string, boolean> => {
  const page = readFileSync(`${projectRoot}/docs/user/overlay.md`, "utf8")
  const rows = page.split("\n").filter((line) => /^\| .*\| (yes|no|root)\b/.test(line)).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim().replace(/ \(\d+\)$/, ""))
  )
  const cells = new Map<string, boolean>()
  for (const [name = "", ...answers] of rows) {
    const answer = answers[types.indexOf(type)]
    cells.set(name, answer === "yes" || (answer === "root" && isRoot))
  }
  return cells
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

describe.each(users)("as $name", (user) => {
  for (const type of types) {
    for (const layers of [1, 20]) {
      scenario(
        `'${type}' on ${layers} layers does what its table says`,
        [...images, compiler],
        () =>
          Effect.gen(function*() {
            const app = yield* place(user)
            const marks = upTo(layers - 1).map((number) => makeMark(`${app.directory}/${number}`, number))
            const FIM_LAYERS = [operationsLayer(inject("images").directory), ...marks].join(":")
            const environment = { FIM_OVERLAY: type, FIM_LAYERS }
            const first = yield* app.run(["fim-exec", "/operations", "/t"], { environment })
            yield* app.isClean
            const second = yield* app.run(["fim-exec", "/operations", "/t", "again"], { environment })
            const said = first.stdout + second.stdout
            assert.deepStrictEqual([first.code, first.stderr, second.code, second.stderr], [0, "", 0, ""])
            assert.deepStrictEqual(answers(said), promised(type, user.uid === 0), said)
            assert.isAbove(answers(said).size, 30)
            yield* app.isClean
          })
      )
    }
  }
})
