import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { configCommandNames, showHelp } from "../../../src/cli/config/Dispatch.ts"
import { helpText, usageText } from "../../../src/cli/config/Help.ts"
import { findTopic, topics } from "../../../src/cli/config/HelpTopics.ts"
import { newImage, run } from "./Run.ts"

const wide = (text: string) => text.split("\n").filter((line) => line.length > 120)

describe("fim-help", () => {
  it.effect("alone prints usage to standard error and succeeds", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run(newImage(), ["fim-help"]), { stdout: "", stderr: [usageText], code: 0 })
    }))

  it.effect.each(topics.map(({ name }) => name))(
    "%s prints its topic, as --help does",
    (name) =>
      Effect.gen(function*() {
        const { code, stderr, stdout } = yield* run(newImage(), ["fim-help", name.toUpperCase()])
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: [] })
        assert.isTrue(stdout.startsWith("Flatimage - Portable Linux Applications\n"))
        for (const part of ["Usage:", "Description:", "Examples:", "Exit codes:"]) assert.include(stdout, `\n${part}\n`)
        assert.isEmpty(wide(stdout))
        assert.strictEqual((yield* run(newImage(), ["fim-help", `fim-${name}`])).stdout, stdout)
      })
  )

  it.effect.each([...configCommandNames])(
    "%s --help is its topic, and data after words of data is not asked",
    (name) =>
      Effect.gen(function*() {
        const expected = helpText(findTopic(name)!)
        assert.strictEqual((yield* run(newImage(), [name, "--help"])).stdout, expected)
        assert.strictEqual((yield* run(newImage(), [name, "list", "-h"])).stdout, expected)
        assert.isFalse(yield* showHelp(name, ["--", "--help"]))
        assert.isFalse(yield* showHelp(name, ["set", "program", "--help"]))
      })
  )

  it("texts are as they were", async () => {
    await expect(`${[usageText, ...topics.map(helpText)].join(`\n\n${"-".repeat(80)}\n\n`)}\n`)
      .toMatchFileSnapshot("../../golden/help.txt")
  })
})

const profileOf = (directory?: string) =>
  run(newImage(), ["fim-help", "AppArmor"], directory === undefined ? {} : { FIM_DIR_GLOBAL: directory })

describe("fim-help apparmor", () => {
  it.effect("prints a profile for where programs of images lie, and the command that installs it", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* profileOf()
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: [] })
      assert.include(
        stdout,
        "\nprofile flatimage /tmp/{fim,fim-[0-9]*}/app/*/{bin/fim,lib/ld-linux-*.so.*} flags=(unconfined) {\n"
      )
      assert.match(stdout, /^ {2}userns,$/m)
      assert.match(stdout, /^# .*app fim-help apparmor \| sudo sh -c '.*apparmor_parser -r/m)
      for (const usual of ["/tmp/fim", "/tmp/fim-1000", ""]) {
        assert.strictEqual((yield* profileOf(usual)).stdout, stdout)
      }
      assert.include((yield* profileOf("/opt/images")).stdout, " /{tmp/{fim,fim-[0-9]*},opt/images}/app/*/{bin")
    }))

  it.effect.each(["/a b", "/x\n}", "/{a,b}", "/a*", "relative", "/\"x"])(
    "refuses the directory %j",
    (directory) =>
      Effect.gen(function*() {
        const { code, stdout } = yield* profileOf(directory)
        assert.deepStrictEqual({ code, stdout }, { code: 125, stdout: "" })
      })
  )
})

describe("completion", () => {
  it.effect.each(["bash", "zsh", "fish"])(
    "for %s names every command and operation",
    (shell) =>
      Effect.gen(function*() {
        const { code, stdout } = yield* run(newImage(), ["fim-help", "completion", shell.toUpperCase(), "my-app"])
        assert.strictEqual(code, 0)
        assert.include(stdout, "my-app")
        for (const topic of topics) {
          assert.include(stdout, `fim-${topic.name}`)
          for (const operation of topic.operations) assert.include(stdout, operation.name)
        }
        assert.include(stdout, `my-app fim-help completion ${shell}`)
        assert.notInclude(stdout, "--completions")
      })
  )

  it.effect("for bash is a script that completes", () =>
    Effect.gen(function*() {
      const { stdout } = yield* run(newImage(), ["fim-help", "completion", "bash", "app"])
      const complete = (words: ReadonlyArray<string>) => {
        const name = /complete .*-F (\S+)/.exec(stdout)?.[1]
        const script = `${stdout}\nCOMP_WORDS=(${
          words.map((word) => `'${word}'`).join(" ")
        })\nCOMP_CWORD=${words.length - 1}\n` +
          `COMP_LINE='${words.join(" ")}'\nCOMP_POINT=\${#COMP_LINE}\n` +
          `${name} app '${words.at(-1)}' '${words.at(-2)}'\nprintf '%s\\n' "\${COMPREPLY[@]}"`
        return execFileSync("bash", ["-c", script], { encoding: "utf8" }).trim().split("\n")
      }
      assert.includeMembers(complete(["app", "fim-p"]), ["fim-perms"])
      assert.includeMembers(complete(["app", "fim-perms", ""]), ["add", "del", "list", "set", "clear"])
      assert.includeMembers(complete(["app", "fim-overlay", "set", ""]), ["bwrap", "overlayfs", "unionfs"])
    }))
})

describe("docs/user", () => {
  it.each([...configCommandNames])("has a page for %s", (name) => {
    assert.isTrue(existsSync(new URL(`../../../docs/user/${name.slice(4)}.md`, import.meta.url)))
  })
})
