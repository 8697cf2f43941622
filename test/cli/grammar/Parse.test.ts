import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import { readFileSync } from "node:fs"
import { commandNames, findTopic, imageCommands } from "../../../src/cli/commands/ImageCommands.ts"
import { hostCommands } from "../../../src/cli/flatimage/HostCommands.ts"
import { type Argument, findOperation, type Operation } from "../../../src/cli/grammar/Command.ts"
import { asksForHelp, parse } from "../../../src/cli/grammar/Parse.ts"
import { type Tree, treeOf, withDataMarked } from "../../../src/cli/grammar/Tree.ts"
import { projectRoot } from "../../support/Project.ts"

/** Random choices that are the same in each run. */
const random = (seed: number) => {
  let state = seed
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  return {
    below: (limit: number) => Math.floor(next() * limit),
    pick: <A>(list: ReadonlyArray<A>): A => list[Math.floor(next() * list.length)] as A,
    chance: (part: number) => next() < part
  }
}

type Random = ReturnType<typeof random>

const plain = [
  "a",
  "x=1",
  "A=b=c",
  "/a/b",
  "7",
  "two words",
  "ü",
  "list",
  "-",
  "",
  ",",
  "a,b",
  "..",
  "a..b",
  "fim-exec"
]
/** Of options. */
const values = ["a", "x=1", "home,network", "/a:/b:ro", "two words", "ü"]

/** Where effect's parser would take them for options, only behind `--`. */
const optionLike = ["--json", "--help", "-la", "--", "--version", "-x=1"]

const wordFor = (argument: Argument, random: Random, isData: boolean): string => {
  if (random.chance(0.15)) return random.pick(isData ? [...plain, ...optionLike] : plain)
  if (argument.choices === undefined) return random.pick(isData && random.chance(0.2) ? optionLike : plain.slice(0, 7))
  const count = argument.as === "list" ? 1 + random.below(3) : 1
  return Array.from({ length: count }, () => random.pick(argument.choices ?? [])).join(",")
}

/** Words of a command: mostly right, often not. */
const wordsFor = (operation: Operation<never>, random: Random): ReadonlyArray<string> => {
  if (operation.operations !== undefined && !random.chance(operation.arguments === undefined ? 0.03 : 0.3)) {
    if (random.chance(0.05)) return [random.pick(plain)]
    const chosen = random.pick(operation.operations)
    const words = wordsFor(chosen, random)
    // A word that names no operation may be a value, after which `--` is one too, but not for effect's parser.
    if (random.chance(0.04)) return [`${chosen.name}x`, ...words.filter((word) => word !== "--")]
    return [chosen.name, ...words]
  }
  // Where there are no options all words are data, and marked as such for effect's parser.
  const isData = operation.options === undefined && operation.operations === undefined
  const data = (operation.arguments ?? []).flatMap((argument) => {
    if (random.chance(0.1)) return []
    const count = argument.as === "repeated" || argument.as === "rest" ? random.below(4) : 1
    return Array.from({ length: count }, () => wordFor(argument, random, isData))
  })
  const words = random.chance(0.1) ? [...data, random.pick(plain)] : data
  const options = (operation.options ?? []).flatMap(({ name, repeated, value }) => {
    if (value === undefined) return random.chance(0.4) ? [`--${name}`] : []
    const count = repeated ? random.below(3) : random.below(2)
    const given = () => random.chance(0.5) ? [`--${name}`, random.pick(values)] : [`--${name}=${random.pick(values)}`]
    return Array.from({ length: count }, given).flat()
  })
  const isFirst = (operation.options ?? []).some(({ value }) => value !== undefined)
  if (operation.operations === undefined && random.chance(0.2)) return [...options, "--", ...words]
  return isFirst || random.chance(0.5) ? [...options, ...words] : [...words, ...options]
}

/** The same commands, but each tells its path and values in place of doing anything. */
const recording = (
  operation: Operation<never>,
  path: string,
  found: (path: string, input: unknown) => void
): Operation<never> => ({
  ...operation,
  ...(operation.operations === undefined
    ? {}
    : { operations: operation.operations.map((each) => recording(each, `${path} ${each.name}`, found)) }),
  ...(operation.operations !== undefined && operation.arguments === undefined
    ? {}
    : { handler: () => Promise.resolve((input: unknown) => Effect.sync(() => found(path, input))) })
})

const terminal = Terminal.make({
  columns: Effect.succeed(80),
  rows: Effect.succeed(24),
  size: Effect.die("unused"),
  readInput: Effect.die("unused"),
  readLine: Effect.die("unused"),
  display: () => Effect.void
})

const environment = Layer.mergeAll(
  FileSystem.layerNoop({}),
  CliOutput.layerPresenter({ present: () => Effect.void }),
  Path.layer,
  Stdio.layerTest({}),
  Layer.succeed(Terminal.Terminal, terminal),
  Layer.succeed(ChildProcessSpawner.ChildProcessSpawner, ChildProcessSpawner.make(() => Effect.die("unused")))
)

const pathOf = (at: Operation<never>, wanted: Operation<never>, path: string): string | undefined =>
  at === wanted
    ? path
    : at.operations?.map((each) => pathOf(each, wanted, `${path} ${each.name}`)).find((found) => found !== undefined)

/** None of them is carried out. */
const commands = imageCommands as ReadonlyArray<Operation<unknown>> as ReadonlyArray<Operation<never>>

describe("the parser of images", () => {
  it.live("finds in 10 000 command lines what effect's parser finds", () =>
    Effect.gen(function*() {
      let last: { readonly path: string; readonly input: unknown } | undefined
      const trees = commands.map((command) => ({
        command,
        tree: treeOf(
          recording(command, command.name, (path, input) => {
            last = { path, input: { ...input as object } }
          }),
          "app"
        ) as Tree<never>
      }))
      const source = random(20_260)
      let accepted = 0
      for (let line = 0; line < 10_000; line++) {
        const { command, tree } = source.pick(trees)
        const words = wordsFor(command, source)
        const result = parse(command as never, words)
        const ours = Result.isSuccess(result)
          ? {
            path: pathOf(command, result.success.operation as Operation<never>, command.name),
            input: result.success.input
          }
          : undefined
        last = undefined
        yield* Command.runWith(tree, { version: "0", renderErrors: false })(withDataMarked(command, words)).pipe(
          Effect.ignore
        )
        const of = `${command.name} ${JSON.stringify(words)}`
        assert.deepStrictEqual({ of, found: ours }, { of, found: last as unknown as typeof ours })
        if (ours !== undefined) accepted++
      }
      // Neither are all right nor all wrong.
      assert.isAbove(accepted, 3000)
      assert.isBelow(accepted, 9000)
    }).pipe(Effect.provide(environment)), 120_000)

  it("gives all words from a program's name on to the program", () => {
    const boot = findTopic("boot")!
    for (const word of ["--version", "--help", "-h", "--", "--json", "clear"]) {
      for (const words of [["set", "x", word], ["set", "x", word, "y"], ["set", "--", "x", word]]) {
        const { input } = Result.getOrThrow(parse(boot, words))
        assert.deepStrictEqual(input, { program: "x", arguments: words.slice(words.indexOf("x") + 1) })
        assert.isFalse(asksForHelp(boot, words))
      }
    }
    const { input } = Result.getOrThrow(parse(findTopic("instance")!, ["exec", "0", "ls", "--help"]))
    assert.deepStrictEqual(input, { id: "0", command: "ls", arguments: ["--help"] })
  })

  it("takes operations and types in any case, and a switch in front of its operation", () => {
    const call = Result.getOrThrow(parse(findTopic("perms")!, ["--json", "LIST"]))
    assert.deepStrictEqual([call.operation.name, call.input], ["list", { json: true }])
    const add = Result.getOrThrow(parse(findTopic("bind")!, ["Add", "RO", "/A", "/B"]))
    assert.deepStrictEqual(add.input, { type: "ro", source: "/A", destination: "/B" })
  })

  it.each([...commands, ...(hostCommands as ReadonlyArray<Operation<unknown>> as ReadonlyArray<Operation<never>>)])(
    "loads what carries out each operation of $name, but for those of the launcher",
    async (command) => {
      const check = async (operation: Operation<never>, path: string): Promise<void> => {
        for (const each of operation.operations ?? []) await check(each, `${path} ${each.name}`)
        if (operation.operations !== undefined && operation.arguments === undefined) return
        if (["fim-exec", "fim-root", "fim-run", "fim-instance exec", "fim-instance start"].includes(path)) {
          assert.isUndefined(operation.handler)
        } else assert.isFunction(await operation.handler?.(), path)
      }
      await check(command, command.name)
    }
  )

  it("has the error texts that the launcher has for fim-instance exec", () => {
    const launcher = readFileSync(`${projectRoot}/src/native/fim/src/portal/instance.rs`, "utf8")
    const missing = findOperation(findTopic("instance")!, "exec")?.arguments?.flatMap(({ missing }) => missing ?? [])
    assert.strictEqual(missing?.length, 2)
    for (const text of missing ?? []) assert.include(launcher, `usage("${text}")`)
  })

  it("is told of each name once, in lower case", () => {
    assert.deepStrictEqual(commandNames, [...new Set(commandNames)])
    const check = (operation: Operation<never>): void => {
      const names = (operation.operations ?? []).map(({ name }) => name)
      assert.deepStrictEqual(names, [...new Set(names.map((name) => name.toLowerCase()))], operation.name)
      for (const each of operation.operations ?? []) check(each)
    }
    for (const command of commands) check(command)
  })
})
