import { afterAll, assert, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { allowancesOf } from "../../src/sandbox/Allowances.ts"
import { emulation } from "../../src/sandbox/Emulation.ts"
import type { Program } from "../../src/sandbox/FilterProgram.ts"
import {
  type Allowance,
  architecturesOf,
  type Condition,
  filterOf,
  type Rule,
  rules,
  rulesWithout
} from "../../src/sandbox/Seccomp.ts"
import {
  type Architecture,
  auditNumbers,
  numberOf,
  type SystemCall,
  systemCalls
} from "../../src/sandbox/SystemCalls.ts"
import { compileAttacker, compiler, headerNumbers, takes32BitCalls, writeFilter } from "../support/Attacker.ts"
import { answerOf, type Call, disassembly } from "./FilterInterpreter.ts"

const machines = ["x64", "arm64"] as const
const allow = 0x7fff_0000
const kill = 0x8000_0000
const error = (number: number) => 0x0005_0000 + number

const filter = (machine: string, allowed: ReadonlyArray<Allowance> = []) =>
  filterOf(architecturesOf(machine), rulesWithout(new Set(allowed)))

/** All that a filter can have, as root of an ordinary user gets it. */
const all = [...rules, ...emulation]
const emulating = (machine: string) => filterOf(architecturesOf(machine), all)

/** Whether a condition holds for a call: what `Condition` says in words. */
const holds = (condition: Condition, call: Call): boolean => {
  const value = Number(BigInt.asUintN(32, call.arguments[condition.argument] ?? 0n))
  if ("anyBit" in condition) return (BigInt(value) & BigInt(condition.anyBit)) !== 0n
  return "oneOf" in condition ? condition.oneOf.includes(value) : !condition.noneOf.includes(value)
}

/** What the rules say of a call, read one after the other. */
const expected = (architectures: ReadonlyArray<Architecture>, applied: ReadonlyArray<Rule>, call: Call): number => {
  const architecture = architectures.find((name) => auditNumbers[name] === call.architecture)
  if (architecture === undefined) return kill
  if (architecture === "x86_64" && call.number >= 0x4000_0000) return error(38)
  const rule = applied.find(({ and, calls, when }) =>
    calls.some((name) => numberOf(name, architecture) === call.number) &&
    [when, and].every((condition) => condition === undefined || holds(condition, call))
  )
  return rule === undefined ? allow : error(rule.error)
}

const intBetween = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Values that rules ask for, their neighbours, and any; with any upper half. */
const words = [0, 1, 2, 8, 9, 10, 11, 16, 17, 40, 0x5411, 0x5412, 0x5413, 0x541c, 0x80, 0x1000_0000, 0x0200_0000]
  .concat([0o010644, 0o020644, 0o060644, 0o100644, 0o140644])
  .concat([4, 19, 0x2_0000, 0x2_0008, 0x4_0000, 0xffff_ffff])
const arbitraryCall = Arbitrary.map(
  Arbitrary.schema(Schema.Struct({
    which: intBetween(0, 4),
    name: intBetween(0, systemCalls.length - 1),
    beside: intBetween(-2, 2),
    kind: intBetween(0, 9),
    word: intBetween(0, words.length + 2),
    place: intBetween(0, 2),
    any: intBetween(0, 0xffff_ffff),
    upper: intBetween(0, 0xffff_ffff)
  })),
  ({ any, beside, kind, name, place, upper, which, word }): Call => {
    const architecture = (Object.keys(auditNumbers) as ReadonlyArray<Architecture>)[which]
    const near = numberOf(systemCalls[name]!, architecture ?? "i386") ?? any
    const number = kind === 0 ? any : kind === 1 ? near + 0x4000_0000 : kind < 7 ? near : near + beside
    const value = (BigInt(kind % 2 === 0 ? upper : 0) << 32n) + BigInt(words[word] ?? any)
    return {
      architecture: architecture === undefined ? any : auditNumbers[architecture],
      number: number >>> 0,
      arguments: Array.from({ length: 3 }, (_, index) => (index === place ? value : BigInt(any)))
    }
  }
)

describe("the filter of system calls", () => {
  it.each(machines)(
    "for %s is the program that was read",
    (machine) => expect(disassembly(filter(machine))).toMatchFileSnapshot(`../golden/seccomp-${machine}.txt`)
  )

  it.each(machines)(
    "for %s with what is answered for root is the program that was read",
    (machine) => expect(disassembly(emulating(machine))).toMatchFileSnapshot(`../golden/seccomp-root-${machine}.txt`)
  )

  for (const machine of machines) {
    for (
      const allowed of [[], ["userns"], ["ptrace", "sockets"], ["ids"], ["multiarch"]] as ReadonlyArray<
        ReadonlyArray<Allowance>
      >
    ) {
      const applied = rulesWithout(new Set(allowed), all)
      const program = filterOf(architecturesOf(machine), applied)
      it.prop(`for ${machine} with '${allowed.join()}' answers every call as the rules say`, { call: arbitraryCall }, (
        { call }
      ) => {
        assert.strictEqual(answerOf(program, call), expected(architecturesOf(machine), applied, call))
      }, { arbitrary: { runs: 3000 }, timeout: 60_000 })
    }
  }

  it("refuses to type into the terminal, whatever is above the 32 bits that the kernel reads", () => {
    for (
      const [machine, architecture, number] of [["x64", "x86_64", 16], ["x64", "i386", 54], [
        "arm64",
        "aarch64",
        29
      ]] as const
    ) {
      for (const request of [0x5412n, 0x541cn, 0x1_0000_5412n, 0xffff_ffff_0000_541cn]) {
        const call = { architecture: auditNumbers[architecture], number, arguments: [0n, request] }
        assert.strictEqual(answerOf(filter(machine), call), error(1))
      }
      const harmless = { architecture: auditNumbers[architecture], number, arguments: [0x5412n, 0x5413n, 0x5412n] }
      assert.strictEqual(answerOf(filter(machine), harmless), allow)
    }
  })

  it("allows personalities that protect no less, comparisons of descriptors, and all signals but one to a group", () => {
    const calls: ReadonlyArray<readonly [SystemCall, ReadonlyArray<bigint>, number]> = [
      ...[0n, 8n, 0x2_0000n, 0x2_0008n, 0xffff_ffffn, 0xffff_ffff_ffff_ffffn].map((value) =>
        ["personality", [value], allow] as const
      ),
      ...[1n, 4n, 0x4_0000n, 0x40_0000n, 0x2_0009n].map((value) => ["personality", [value], error(1)] as const),
      ["kcmp", [5n, 6n, 0n], allow],
      ...[1n, 2n, 7n].map((kind) => ["kcmp", [5n, 6n, kind], error(1)] as const),
      ["modify_ldt", [0n], error(1)],
      ["fanotify_init", [0n], error(1)],
      ["kill", [0n, 19n], error(1)],
      ["kill", [0xffff_0000_0000n, 19n], error(1)],
      ["kill", [0n, 15n], allow],
      ["kill", [5n, 19n], allow],
      ["pidfd_send_signal", [5n, 19n, 0n, 4n], error(22)],
      ["pidfd_send_signal", [5n, 19n, 0n, 0n], allow]
    ]
    for (const architecture of ["x86_64", "i386"] as const) {
      for (const [name, words, answer] of calls) {
        const call = {
          architecture: auditNumbers[architecture],
          number: numberOf(name, architecture)!,
          arguments: words
        }
        assert.strictEqual(answerOf(filter("x64"), call), answer, `${architecture} ${name} ${words}`)
      }
    }
    const call = { architecture: auditNumbers.x86_64, number: numberOf("modify_ldt", "x86_64")!, arguments: [0n] }
    assert.strictEqual(answerOf(filter("x64", ["multiarch"]), call), allow)
  })

  it("ends a process of an architecture that the machine does not have", () => {
    for (const architecture of [auditNumbers.aarch64, auditNumbers.arm, 0, 0xc000_0015]) {
      assert.strictEqual(answerOf(filter("x64"), { architecture, number: 0, arguments: [] }), kill)
    }
  })

  it("is a program that every kernel takes: short, and no jump beyond 255 steps or out of it", () => {
    for (const machine of machines) {
      const program = emulating(machine)
      assert.isBelow(program.length, 1024)
      for (const [at, [code, jumpTrue, jumpFalse, operand]] of program.entries()) {
        const jumps = code === 5 ? [operand] : code % 8 === 5 ? [jumpTrue, jumpFalse] : []
        for (const jump of jumps) assert.isBelow(at + 1 + jump, program.length)
        assert.isBelow(Math.max(jumpTrue, jumpFalse), 256)
      }
    }
  })

  it("jumps over more than 255 steps where it has to", () => {
    const many: ReadonlyArray<Rule> = Array.from({ length: 200 }, () => ({ calls: ["acct"], error: 1 }) as const)
    const program = filterOf(["x86_64", "i386"], many)
    const call = (architecture: number, number: number) => answerOf(program, { architecture, number, arguments: [] })
    assert.deepStrictEqual(
      [call(auditNumbers.x86_64, 163), call(auditNumbers.i386, 51), call(auditNumbers.i386, 163), call(1, 1)],
      [error(1), error(1), allow, kill]
    )
  })
})

describe("numbers of system calls", () => {
  const tables: ReadonlyArray<readonly [Architecture, string, string]> = [
    ["x86_64", "asm/unistd_64.h", ""],
    ["i386", "asm/unistd_32.h", ""],
    ["aarch64", "asm-generic/unistd.h", "#define __BITS_PER_LONG 64"]
  ]
  it.skipIf(compiler.missing !== undefined || process.arch !== "x64").each(tables)(
    "of %s are those of the kernel's headers",
    (architecture, header, definitions) => {
      const numbers = headerNumbers(header, definitions)
      assert.isDefined(numbers)
      let compared = 0
      for (const call of systemCalls) {
        const theirs = numbers?.get(call)
        // What the headers are too old to have is newer than the numbers that differ.
        if (theirs === undefined) assert.isTrue((numberOf(call, architecture) ?? 424) >= 424, call)
        else assert.strictEqual(numberOf(call, architecture), theirs, call)
        compared += theirs === undefined ? 0 : 1
      }
      assert.isAbove(compared, 50)
    }
  )
})

describe("FIM_ALLOW", () => {
  it("names what is allowed, and nothing else", () => {
    assert.deepStrictEqual([...Result.getOrThrow(allowancesOf("userns,,ptrace,ids,multiarch", []))], [
      "userns",
      "ptrace",
      "ids",
      "multiarch"
    ])
    assert.deepStrictEqual([...Result.getOrThrow(allowancesOf("cma,numa,keyring", []))], ["cma", "numa", "keyring"])
    assert.deepStrictEqual([...Result.getOrThrow(allowancesOf("", ["home", "gpu"]))], [])
    assert.deepStrictEqual([...Result.getOrThrow(allowancesOf("", ["home", "xorg"]))], ["sockets"])
    for (const words of ["sockets", "all", "userns ", "USERNS"]) {
      assert.isTrue(Result.isFailure(allowancesOf(words, [])), words)
    }
  })
})

describe("some of a rule's calls", () => {
  it("can be allowed by themselves", () => {
    const calls = rulesWithout(new Set<Allowance>(["cma"])).flatMap((rule) => rule.calls)
    assert.includeMembers(calls, ["ptrace", "pidfd_getfd"])
    assert.notIncludeMembers(calls, ["process_vm_readv", "process_vm_writev"])
  })
})

/** Arguments for which a rule refuses a call, and with which the call does nothing where it is not refused. */
const refusedArguments = ({ when }: Rule): ReadonlyArray<bigint> => {
  const all = [0n, 1n, 2n, 3n].map(() => 0xffff_ffff_ffff_ffffn)
  if (when !== undefined && "oneOf" in when) all[when.argument] = BigInt(when.oneOf[0]!) + 0xabcd_0000_0000n
  // READ_IMPLIES_EXEC, which changes nothing in a program that is there already.
  if (when !== undefined && "noneOf" in when) all[when.argument] = 0x40_0000n
  return all
}

/** Without the filter it would stop all of this. */
const stopping: SystemCall = "kill"

const native: Architecture = process.arch === "arm64" ? "aarch64" : "x86_64"
const abis: ReadonlyArray<readonly [string, Architecture]> = takes32BitCalls()
  ? [["64", native], ["32", "i386"]]
  : [["64", native]]

/** Errors that no kernel gives, so that what the filter refuses can be told from what the kernel refuses. */
const marked = (rule: Rule): Rule => ({ ...rule, error: rule.error + 2000 })

const refusals = abis.flatMap(([abi, architecture]) =>
  all.flatMap((rule) =>
    rule.calls.flatMap((call: SystemCall) => {
      const number = numberOf(call, architecture)
      return number === undefined || call === stopping ? [] : [{ abi, call, number, rule }]
    })
  )
)

describe.skipIf(compiler.missing !== undefined)("the kernel, asked by a program, for", () => {
  let attacker: ReturnType<typeof compileAttacker>
  let refused: ReadonlyArray<number> = []
  let unfiltered: ReadonlyArray<number> = []
  let allowed: ReadonlyArray<number> = []

  const ask = (program: Program): ReadonlyArray<number> => {
    const path = `${attacker.path}.filter`
    writeFilter(path, program)
    const input = refusals.map(({ abi, number, rule }) =>
      [abi, number, ...refusedArguments(rule).map((value) => value.toString(16))].join(" ")
    )
    // Without rights, so that what is not refused can do nothing.
    const command = [attacker.path, "calls", path]
    const words = process.geteuid?.() === 0
      ? ["setpriv", "--reuid=61234", "--regid=61234", "--clear-groups", ...command]
      : command
    const { status, stdout } = spawnSync(words[0]!, words.slice(1), {
      input: `${input.join("\n")}\n`,
      encoding: "utf8"
    })
    assert.strictEqual(status, 0)
    return stdout.trim().split("\n").map(Number)
  }

  beforeAll(() => {
    attacker = compileAttacker()
    const architectures = architecturesOf(process.arch)
    refused = ask(filterOf(architectures, all.map(marked)))
    unfiltered = ask(filterOf(architectures, []))
    const names = new Set<Allowance>(["cma", "ids", "keyring", "multiarch", "numa", "ptrace", "sockets", "userns"])
    allowed = ask(filterOf(architectures, rulesWithout(names, all).map(marked)))
  })
  afterAll(() => attacker.remove())

  it.each(refusals.map(({ abi, call, rule }, index) => ({ abi, call, rule, index })))(
    "$call in $abi bits gets the filter's answer, and without the filter its own",
    ({ index, rule }) => {
      assert.strictEqual(refused[index], rule.error + 2000)
      assert.isBelow(unfiltered[index]!, 2000)
      if (rule.unless === undefined) assert.strictEqual(allowed[index], rule.error + 2000)
      else assert.isBelow(allowed[index]!, 2000)
    }
  )
})
