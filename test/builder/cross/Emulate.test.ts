import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { type Need, scenario } from "../../support/Needs.ts"
import { projectRoot } from "../../support/Project.ts"

const fim = `${process.env["FLATIMAGE_BUILD_DIRECTORY"] ?? `${projectRoot}/build`}/native/fim`
const emulate = (...words: ReadonlyArray<string>) => spawnSync(fim, ["emulate", ...words], { encoding: "utf8" })

/** The files of the rules of this machine. */
const rules = () => existsSync("/proc/sys/fs/binfmt_misc") ? readdirSync("/proc/sys/fs/binfmt_misc") : []

const rule = ":fim-test:M::FIMTEST::/bin/echo:F"

const ownRules: Need = {
  get missing() {
    return emulate(rule, "--", "true").status === 0 ? undefined : "needs rules of a user namespace (Linux 6.7)"
  }
}

describe("fim emulate", () => {
  scenario(
    "lets a program and its children execute files of one more kind, and nobody else",
    [ownRules],
    () =>
      Effect.acquireUseRelease(
        Effect.sync(() => mkdtempSync(`${tmpdir()}/fim-emulate-`)),
        (directory) =>
          Effect.sync(() => {
            const before = rules()
            const file = `${directory}/foreign`
            writeFileSync(file, "FIMTEST\n")
            chmodSync(file, 0o755)
            const outside = () => spawnSync("env", [file, "word"], { encoding: "utf8" }).stdout
            assert.strictEqual(outside(), "")
            const { status, stderr, stdout } = emulate(rule, "--", "sh", "-c", `env ${file} word; exit 7`)
            assert.deepStrictEqual([status, stdout, stderr], [7, `${file} word\n`, ""])
            assert.deepStrictEqual(rules(), before)
            assert.strictEqual(outside(), "")
          }),
        (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
      )
  )

  scenario("says what failed", [ownRules], () =>
    Effect.sync(() => {
      const wrong = emulate(":", "--", "true")
      assert.strictEqual(wrong.status, 125)
      assert.match(wrong.stderr, /^emulate: the kernel refuses the rule for another architecture: /)
      const missing = emulate(rule, "--", "/nonexistent/program")
      assert.strictEqual(missing.status, 125)
      assert.match(missing.stderr, /^emulate: cannot run '\/nonexistent\/program': /)
      const users = emulate("--users", "0 7 1,0 8 1", "--groups", "0 0 1", rule, "--", "true")
      assert.strictEqual(users.status, 125)
      assert.match(users.stderr, /uid_map/)
    }))
})
