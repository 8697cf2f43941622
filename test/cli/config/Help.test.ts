import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { showHelp } from "../../../src/cli/Cli.ts"
import { commandNames, findTopic, imageCommands } from "../../../src/cli/commands/ImageCommands.ts"
import { findOperation } from "../../../src/cli/grammar/Command.ts"
import * as HelpText from "../../../src/cli/grammar/HelpText.ts"
import { newImage, run } from "./Run.ts"

const { helpText } = HelpText
const usageText = HelpText.usageText(imageCommands)
/** Commands that have words of their own: all but those whose words are a program's. */
const ours = commandNames.filter((name) => name !== "fim-exec" && name !== "fim-root")

const wide = (text: string) => text.split("\n").filter((line) => line.length > 120)

describe("fim-help", () => {
  it.effect("alone prints usage and succeeds", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run(newImage(), ["fim-help"]), { stdout: usageText, stderr: [], code: 0 })
    }))

  it.effect.each(commandNames.map((name) => name.slice(4)))(
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

  it.effect.each([...ours])(
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
    await expect(`${[usageText, ...imageCommands.map(helpText)].join(`\n\n${"-".repeat(80)}\n\n`)}\n`)
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

/** Words of a usage line, with each choice of `<a|b>` taken in turn. */
const callsIn = (line: string): ReadonlyArray<ReadonlyArray<string>> => {
  const words = line.split(" ")
  const at = words.findIndex((word) => /^<\w+(\|\w+)+>$/.test(word))
  if (at < 0) return [words.slice(0, words.findIndex((word) => /^[<[]/.test(word)) >>> 0)]
  return words[at]!.slice(1, -1).split("|").flatMap((choice) => callsIn(words.with(at, choice).join(" ")))
}

describe("docs/user", () => {
  it.each(imageCommands.map((command) => [command.name, command] as const))(
    "shows no call of %s that there is not, and leaves out none",
    (name, command) => {
      const page = readFileSync(new URL(`../../../docs/user/${name.slice(4)}.md`, import.meta.url), "utf8")
      const usage = /```\n([^`]*)```/.exec(page)?.[1] ?? ""
      const operations = usage.trim().split("\n").flatMap((line) => callsIn(line.replace(/ {2,}.*/, "")))
        .map(([program, called, operation]) => {
          assert.deepStrictEqual([program, called], ["app", name])
          return operation
        }).filter((operation) => operation !== undefined)
      const names = (command.operations ?? []).filter(({ hidden }) => hidden === undefined)
      for (const operation of operations) assert.isDefined(findOperation(command, operation), `${name} ${operation}`)
      for (const { name: operation, summary } of names) {
        if (!summary.startsWith("the same as")) assert.include(operations, operation, name)
      }
    }
  )

  it.each([...ours])("has a page for %s", (name) => {
    assert.isTrue(existsSync(new URL(`../../../docs/user/${name.slice(4)}.md`, import.meta.url)))
  })
})
