import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parse } from "../../src/cli/Request.ts"

const bytes = (word: string) => new Uint8Array(Buffer.from(word))
const parsed = (...words: ReadonlyArray<string>) => Result.getOrThrow(parse(words.map(bytes)))
const texts = (words: ReadonlyArray<Uint8Array | string>) => words.map((word) => Buffer.from(word).toString("utf8"))

describe("words", () => {
  it.each([
    [[]],
    [["--help"]],
    [["--version", "fim-exec"]],
    [["", "fim-exec"]],
    [["fim"]],
    [["fi", "m-"]],
    [["--", "fim-exec"]],
    [["FIM-EXEC"]],
    [[" fim-exec"]]
  ])("%j are those of the boot command", (words) => {
    const request = parsed(...words)
    assert.strictEqual(request._tag, "Boot")
    assert.deepStrictEqual(texts(request.args), words)
  })

  it.each(
    [
      [["fim-exec", "ls"], false, ["ls"]],
      [["fim-root", "ls", "-l"], true, ["ls", "-l"]],
      [["fim-exec", "ls", "--help"], false, ["ls", "--help"]],
      [["fim-exec", "--", "ls"], false, ["ls"]],
      [["fim-exec", "--", "--help"], false, ["--help"]],
      [["fim-exec", "--", "--", "x"], false, ["--", "x"]],
      [["fim-exec", "ls", "--"], false, ["ls", "--"]],
      [["fim-exec", ""], false, [""]],
      [["fim-root", "fim-root", "x"], true, ["fim-root", "x"]]
    ] as const
  )("%j run a program", (words, root, program) => {
    const request = parsed(...words)
    assert(request._tag === "Execute")
    assert.strictEqual(request.root, root)
    assert.deepStrictEqual(texts(request.args), [...program])
  })

  it.each([
    [["fim-help"], ["fim-help"]],
    [["fim-perms", "add", "home"], ["fim-perms", "add", "home"]],
    [["fim-"], ["fim-"]],
    [["fim-nothing", "--help"], ["fim-nothing", "--help"]],
    [["fim-exec", "--help"], ["fim-help", "exec"]],
    [["fim-root", "--help", "x"], ["fim-help", "root"]]
  ])("%j are a command of ours", (words, command) => {
    const request = parsed(...words)
    assert(request._tag === "Command")
    assert.deepStrictEqual(request.args, command)
  })

  it.each([[["fim-exec"]], [["fim-root"]], [["fim-exec", "--"]]])("%j say no program", (words) => {
    const result = parse(words.map(bytes))
    assert(Result.isFailure(result))
    const expected = [`Incorrect number of arguments for ${words[0]}`, "Could not parse arguments"]
    assert.deepStrictEqual(result.failure.lines, expected)
  })

  it("need not be text to stay what they are", () => {
    const odd = Uint8Array.of(0xff, 0xfe, 0x80, 0x0a)
    const boot = Result.getOrThrow(parse([odd, odd]))
    assert.deepStrictEqual(boot, { _tag: "Boot", args: [odd, odd] })
    const run = Result.getOrThrow(parse([bytes("fim-exec"), odd, odd]))
    assert.deepStrictEqual(run, { _tag: "Execute", root: false, args: [odd, odd] })
  })
})
