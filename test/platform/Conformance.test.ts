/** The platform of the boot program does what Node's does, for all that is asked of either. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { childCases } from "./ChildCases.ts"
import { prepare } from "./Engine.ts"
import { fileCases } from "./FileCases.ts"
import { lostOnNode, nameCases } from "./NameCases.ts"
import { outcome } from "./Outcome.ts"
import { timerCases } from "./TimerCases.ts"

const directory = mkdtempSync(join(tmpdir(), "fim-platform-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const ours = new Map<string, unknown>()

beforeAll(async () => {
  const output = await prepare("test/platform/Main.ts", directory)([])
  for (const line of output.trimEnd().split("\n")) {
    const [name, result] = JSON.parse(line) as [string, unknown]
    ours.set(name, result)
  }
}, 600_000)

describe("the platform of the boot program", () => {
  for (const [name, operation] of [...fileCases, ...childCases, ...timerCases]) {
    it.live(`does what Node's does: ${name}`, () =>
      Effect.gen(function*() {
        const nodes = JSON.parse(JSON.stringify(yield* outcome(operation))) as unknown
        assert.deepStrictEqual(ours.get(name), nodes)
      }).pipe(Effect.provide(NodeServices.layer)))
  }

  for (const [name, operation, expected] of nameCases) {
    it.live(`carries any bytes${lostOnNode.has(name) ? ", which Node loses" : " as Node does"}: ${name}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(ours.get(name), expected)
        const nodes = JSON.parse(JSON.stringify(yield* outcome(operation))) as unknown
        if (lostOnNode.has(name)) assert.notDeepEqual(nodes, expected)
        else assert.deepStrictEqual(nodes, expected)
      }).pipe(Effect.provide(NodeServices.layer)))
  }

  it("lists as lost on Node only what there is", () => {
    const names = new Set(nameCases.map(([name]) => name))
    assert.deepStrictEqual([...lostOnNode].filter((name) => !names.has(name)), [])
  })
})
