import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { isAsShown, outputsOf, pageOfPicture, parsePage, scriptOf } from "./Console.ts"

const page = (...lines: ReadonlyArray<string>) => lines.join("\n")

describe("a page of the manual", () => {
  it("gives its commands with what they print", () => {
    const { examples, image, mistakes, notRun } = parsePage(page(
      "# A page",
      "```",
      "app fim-what <ever>",
      "```",
      "```console",
      "$ one",
      "1",
      "> not a command",
      "",
      "$ cat << END",
      "> text",
      ">",
      "> END",
      "text",
      "```",
      "```console not-run: needs the sun",
      "$ shine",
      "```"
    ))
    assert.deepStrictEqual(examples, [
      { line: 6, command: "one", expected: "1\n> not a command\n\n" },
      { line: 10, command: "cat << END\ntext\n\nEND", expected: "text\n" }
    ])
    assert.deepStrictEqual(notRun, [{ line: 16, reason: "needs the sun" }])
    assert.deepStrictEqual([image, mistakes], ["blueprint", []])
    assert.strictEqual(parsePage("<!-- examples: debian -->\n").image, "debian")
  })

  it.each([
    ["```console\n1\n$ one\n```", "line 2: no command before this output"],
    ["```console\n$ one", "line 1: a fence without an end"],
    ["```console not run\n$ one\n```", "line 1: neither \"console\" nor \"console not-run: REASON\""],
    ["<!-- examples: plan9 -->", "there is no image plan9"]
  ])("with a mistake is told: %j", (text, mistake) => {
    assert.deepStrictEqual(parsePage(text).mistakes, [mistake])
  })
})

it("a picture of a terminal is a page", () => {
  const picture =
    "<svg>\n<!-- examples: debian -->\n<text x=\"1\">$ a &amp;&amp; b &gt; c</text><text>&lt;d&gt;</text>\n</svg>"
  const { examples, image } = parsePage(pageOfPicture(picture))
  assert.deepStrictEqual([image, examples], ["debian", [{ line: 3, command: "a && b > c", expected: "<d>\n" }]])
})

describe("a script of examples", () => {
  it("is one shell, and keeps exit codes", () => {
    const examples = ["cd /; name=x", "pwd; echo $name >&2", "(exit 7)", "echo $?", "cat << END\na\nEND", "printf x"]
    const script = scriptOf(examples.map((command, line) => ({ line, command, expected: "" })))
    const { stderr, stdout } = spawnSync("bash", ["--norc", "-c", script], { encoding: "utf8" })
    assert.strictEqual(stderr, "")
    assert.deepStrictEqual(outputsOf(stdout), ["", "/\nx\n", "", "7\n", "a\n", "x"])
  })
})

describe("an output", () => {
  it.each([
    ["a\nb\n", "a\nb\n", true],
    ["a\n", "a\nb\n", false],
    ["", "warning\n", false],
    ["a.c\n", "abc\n", false],
    ["a … c\n", "a long c\n", true],
    ["a … c\n", "a\nc\n", false],
    ["a\n…\nc\n", "a\nc\n", true],
    ["a\n…\nc\n", "a\n1\n2\nc\n", true],
    ["a\n…\nc\n", "a\n1\n2\n", false],
    ["…\n", "", true],
    ["pid …1\n", "pid 21\n", true]
  ])("where %j is shown and %j is printed: %s", (expected, output, same) => {
    assert.strictEqual(isAsShown(expected, output), same)
  })
})
