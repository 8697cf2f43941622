/** The platform of the boot program does what Node's does, for all that is asked of either. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { projectRoot } from "../support/Project.ts"
import { childCases } from "./ChildCases.ts"
import { fileCases } from "./FileCases.ts"
import { outcome } from "./Outcome.ts"

const directory = mkdtempSync(join(tmpdir(), "fim-platform-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const ours = new Map<string, unknown>()

beforeAll(() => {
  const node = `${projectRoot}/node_modules/.bin/node`
  execFileSync(node, [`${projectRoot}/bin/bundle.mjs`, directory, "test/platform/Main.ts"], { stdio: "inherit" })
  const flags = [
    "run",
    "--quiet",
    "--release",
    "--locked",
    "-p",
    "engine",
    "--features",
    "sources",
    "--example",
    "sources"
  ]
  const output = execFileSync("cargo", [...flags, "--", directory], {
    cwd: `${projectRoot}/src/native`,
    env: { ...process.env, CARGO_TARGET_DIR: `${projectRoot}/build/cargo` },
    encoding: "utf8",
    maxBuffer: 1 << 26,
    input: ""
  })
  for (const line of output.trimEnd().split("\n")) {
    const [name, result] = JSON.parse(line) as [string, unknown]
    ours.set(name, result)
  }
}, 600_000)

describe("the platform of the boot program", () => {
  for (const [name, operation] of [...fileCases, ...childCases]) {
    it.live(`does what Node's does: ${name}`, () =>
      Effect.gen(function*() {
        const nodes = JSON.parse(JSON.stringify(yield* outcome(operation))) as unknown
        assert.deepStrictEqual(ours.get(name), nodes)
      }).pipe(Effect.provide(NodeServices.layer)))
  }
})
