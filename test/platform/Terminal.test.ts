/** Keys and lines that are typed at a terminal are on the platform of the boot program what they are on Node. */
import { assert, describe } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { afterAll, beforeAll } from "vitest"
import { program, scenario } from "../support/Needs.ts"
import * as Process from "../support/Process.ts"
import { projectRoot } from "../support/Project.ts"
import { quoted } from "../support/Terminal.ts"
import { prepare } from "./Engine.ts"

const directory = mkdtempSync(`${tmpdir()}/fim-terminal-`)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const nodes = [`${projectRoot}/node_modules/.bin/node`, `${projectRoot}/test/platform/TerminalNode.ts`]
let ours: ReadonlyArray<string> = []
beforeAll(() => void (ours = prepare("test/platform/TerminalMain.ts", directory).command), 600_000)

const needs = [program("script")]

/** What a program has shown: its words with what follows them, and what the terminal's settings were before and after. */
const parsed = (stdout: string) =>
  [...stdout.matchAll(/\b(READY|KEY|LINE|END)\d+ (.*?)\r?\n/g)].map(([, word, json]) =>
    [word, JSON.parse(json ?? "") as unknown] as const
  )

/** Types into a program on a terminal, each piece when the word with that number has come. Settings of the terminal have to stay. */
const typed = (
  command: ReadonlyArray<string>,
  what: string,
  pieces: ReadonlyArray<readonly [text: string, word: string, number: number]>,
  pause: Duration.Input = 0
) =>
  Effect.gen(function*() {
    const script = `stty -g; ${quoted([...command, what])}; stty -g`
    const terminal = yield* Process.start(["script", "-qefc", script, "/dev/null"], {
      environment: { ...process.env, SHELL: "/bin/sh", TERM: "xterm" },
      interactive: true
    })
    for (const [text, word, number] of pieces) {
      yield* terminal.says(new RegExp(`${word}${number} `))
      yield* Effect.sleep(pause)
      yield* terminal.write(text)
    }
    const { code, stdout } = yield* terminal.outcome
    assert.strictEqual(code, 0, stdout)
    const [before, after] = stdout.match(/[0-9a-f]+(?::[0-9a-f]+){10,}/g) ?? []
    assert.isDefined(before)
    assert.strictEqual(after, before, "the settings of the terminal")
    return parsed(stdout)
  }).pipe(Effect.scoped)

const same = (what: string, pieces: ReadonlyArray<readonly [text: string, word: string, number: number]>) =>
  Effect.gen(function*() {
    const [node, own] = [yield* typed(nodes, what, pieces), yield* typed(ours, what, pieces)]
    assert.deepStrictEqual(own, node)
    return own
  })

const escape = "\u001b"

/** What keys send. Each is typed when the one before it was seen. */
const keys: ReadonlyArray<string> = [
  ..."aZ7! ä€\r\n\t\b\u007f\u0001\u001a\u001c\u0000",
  ...[
    "A",
    "B",
    "C",
    "D",
    "H",
    "F",
    "Z",
    "1~",
    "2~",
    "3~",
    "4~",
    "5~",
    "6~",
    "1;5C",
    "1;2A",
    "1;3D",
    "3;5~",
    "15~",
    "24~"
  ]
    .map((sequence) => `${escape}[${sequence}`),
  ...["A", "P", "S"].map((letter) => `${escape}O${letter}`),
  ...["b", "B", "7", "\r", "\u007f"].map((letter) => `${escape}${letter}`)
]

const oneByOne = (texts: ReadonlyArray<string>) =>
  texts.map((text, index) => index === 0 ? [text, "READY", 1] as const : [text, "KEY", index] as const)

describe("the terminal of the boot program is Node's", () => {
  scenario("for keys, up to ^C", needs, () =>
    Effect.gen(function*() {
      const seen = yield* same("keys", oneByOne([...keys, "\u0003"]))
      assert.lengthOf(seen, keys.length + 3)
      assert.deepInclude(seen, ["KEY", { input: "Z", name: "z", ctrl: false, meta: false, shift: true }])
    }), 60_000)

  for (const [name, key] of [["^D", "\u0004"], ["escape", escape]] as const) {
    scenario(`for ${name}, which ends the input`, needs, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual((yield* same("keys", oneByOne(["a", key]))).map(([word]) => word), [
          "READY",
          "KEY",
          "KEY",
          "END"
        ])
      }))
  }

  // With nothing else to wait for.
  scenario("for somebody who takes a while", needs, () =>
    Effect.gen(function*() {
      const pieces = [["a", "READY", 1], ["\u0003", "KEY", 1]] as const
      assert.deepStrictEqual((yield* typed(ours, "keys", pieces, "1 second")).map(([word]) => word), [
        "READY",
        "KEY",
        "KEY",
        "END"
      ])
    }))

  scenario("for lines, up to ^D", needs, () =>
    Effect.gen(function*() {
      const seen = yield* same("lines", [
        ["first\n", "READY", 2],
        ["se\u007fecond ä\n", "LINE", 1],
        ["third\n\nfifth\n", "LINE", 2],
        ["\u0004", "LINE", 5]
      ])
      assert.deepStrictEqual(seen, [
        ["READY", null],
        ["LINE", "first"],
        ["LINE", "second ä"],
        ["LINE", "third"],
        ["LINE", ""],
        ["LINE", "fifth"],
        ["END", "QuitError"]
      ])
    }), 60_000)

  // Node's own takes the keys for the beginning of the line.
  scenario("but for lines after keys, which it keeps apart", needs, () =>
    Effect.gen(function*() {
      const pieces = [["a", "READY", 1], ["\u0003", "KEY", 1], ["line\n", "READY", 2], ["\u0004", "LINE", 1]] as const
      assert.deepStrictEqual((yield* typed(ours, "both", pieces)).slice(3), [
        ["END", null],
        ["READY", null],
        ["LINE", "line"],
        ["END", "QuitError"]
      ])
    }))
})
