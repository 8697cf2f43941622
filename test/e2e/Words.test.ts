import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { writeField } from "../support/Reserved.ts"
import { users } from "../support/Users.ts"

/** Words that something on the way could take for its own, change or lose. */
const awkward = [
  "",
  " ",
  "--help",
  "--version",
  "-c",
  "--",
  "fim-exec",
  "fim-help",
  "two words",
  "line\nbreak",
  "tab\tand\\backslash",
  "'\"`$HOME$(id)",
  "*",
  "ünïcödé ✓ 語",
  "\u0001\u007f",
  "%s%n"
]

/** Prints its words, each ended by a zero byte. */
const printer = ["sh", "-c", "for word; do printf '%s\\0' \"$word\"; done", "sh"]

const wordsOf = (text: string): ReadonlyArray<string> => text.split("\0").slice(0, -1)

describe.each(users)("as $name, the words of a program", (user) => {
  scenario("arrive as they were given", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      for (const verb of ["fim-exec", "fim-root"]) {
        const outcome = yield* app.run([verb, ...printer, ...awkward])
        assert.deepStrictEqual([outcome.code, wordsOf(outcome.stdout), outcome.stderr], [0, awkward, ""])
      }
    }))

  scenario("may be bytes that are not text", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const outcome = yield* app.shell(
        "exec \"$app\" fim-exec printf '%s' \"$(printf 'a\\377\\376\\200\\303(z')\" end"
      )
      assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
      assert.deepStrictEqual(outcome.bytes, Buffer.from([0x61, 0xff, 0xfe, 0x80, 0xc3, 0x28, 0x7a, 0x65, 0x6e, 0x64]))
    }))

  scenario("begin behind one '--', which is ours", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const plain = yield* app.run(["fim-exec", "--", "echo", "--", "-n"])
      assert.deepStrictEqual([plain.code, plain.stdout, plain.stderr], [0, "-- -n\n", ""])
      const program = yield* app.run(["fim-exec", "--", "--", "word"])
      assert.deepStrictEqual([program.code, program.stdout, program.stderr], [127, "", "--: command not found\n"])
    }))

  scenario("are the program's from its name on, whatever they look like", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const options = ["--help", "-h", "--version", "--json", "--", "fim-help", "--completions", "clear"]
      const stored = yield* app.run(["fim-boot", "set", ...printer, ...options])
      assert.deepStrictEqual([stored.code, stored.stdout, stored.stderr], [0, "", ""])
      assert.deepStrictEqual(JSON.parse((yield* app.run(["fim-boot", "show"])).stdout), {
        program: printer[0],
        args: [...printer.slice(1), ...options]
      })
      const boot = yield* app.run(["--help", "--version", "fim-exec"])
      assert.deepStrictEqual([boot.code, wordsOf(boot.stdout), boot.stderr], [
        0,
        [...options, "--help", "--version", "fim-exec"],
        ""
      ])
      const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; read line"], { interactive: true })
      yield* running.says(/ready\n/)
      for (const before of [[], ["--"]]) {
        const inside = yield* app.run(["fim-instance", "exec", "0", ...before, ...printer, ...options])
        assert.deepStrictEqual([inside.code, wordsOf(inside.stdout), inside.stderr], [0, options, ""])
      }
      yield* running.write("\n")
      yield* running.outcome
      // In front of it they are ours.
      for (const words of [["fim-exec", "--help"], ["fim-help", "exec"]]) {
        assert.match((yield* app.run(words)).stdout, /\nfim-exec: run a program in the guest\n/)
      }
      assert.match((yield* app.run(["fim-boot", "set", "--help"])).stdout, /\nfim-boot: the program that starts/)
      assert.match((yield* app.run(["fim-instance", "exec", "--help"])).stdout, /\nfim-instance: running/)
      // A recipe has no program: these are too many words.
      const recipe = yield* app.run(["fim-recipe", "install", "x", "--help"])
      assert.deepStrictEqual([recipe.code, recipe.stdout], [125, ""])
      assert.match(recipe.stderr, /^E::Trailing arguments for fim-recipe: \['--help',\]\n/)
      const typo = yield* app.run(["fim-exce", "ls", "--help"])
      assert.deepStrictEqual([typo.code, typo.stdout, typo.stderr.split("\n").slice(0, 3)], [
        125,
        "",
        ["E::Unknown command: fim-exce", "E::did you mean fim-exec?", "E::Invalid fim command"]
      ])
      yield* app.isClean
    }))

  scenario("many and long ones fit", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const many = Array.from({ length: 2000 }, (_, index) => `word ${index}`)
      const long = "x".repeat(100_000)
      const outcome = yield* app.run(["fim-exec", ...printer, ...many, long])
      assert.deepStrictEqual([outcome.code, wordsOf(outcome.stdout)], [0, [...many, long]])
    }))

  scenario("follow those of the boot command", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const script = "printf '%s|' \"$0\" \"$@\"; exit 9"
      writeField(app.image, "boot", JSON.stringify({ program: "bash", args: ["-c", script, "zero"] }))
      const outcome = yield* app.run(["--help", "two words", "", "--", "ä"])
      assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [9, "zero|--help|two words||--|ä|", ""])
      const none = yield* app.run([])
      assert.deepStrictEqual([none.code, none.stdout, none.stderr], [9, "zero|", ""])
      yield* app.isClean
    }))

  scenario("are the shell's where no boot command is set", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const outcome = yield* app.run(["-c", "echo \"$0 $1\"; exit 3", "zero", "--help"])
      assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [3, "zero --help\n", ""])
      const script = yield* app.run([], { input: "echo from a script; exit 4\n" })
      assert.deepStrictEqual([script.code, script.stdout, script.stderr], [4, "from a script\n", ""])
    }))
})
