import { assert, describe, it } from "@effect/vitest"
import { emulation } from "../../src/sandbox/Emulation.ts"
import { type Allowance, architecturesOf, filterOf, rulesWithout } from "../../src/sandbox/Seccomp.ts"
import { type Architecture, auditNumbers, numberOf, type SystemCall } from "../../src/sandbox/SystemCalls.ts"
import { answerOf } from "./FilterInterpreter.ts"

const allow = 0x7fff_0000
/** SECCOMP_RET_ERRNO with no error: the call gives 0. */
const success = 0x0005_0000

const architectures = ["x86_64", "i386", "aarch64", "arm"] as const

/** What a call gets where all is emulated but what is allowed; nothing where there is no such call. */
const answer = (
  call: SystemCall,
  architecture: Architecture,
  words: ReadonlyArray<number> = [],
  allowed: ReadonlyArray<Allowance> = []
) => {
  const number = numberOf(call, architecture)
  if (number === undefined) return undefined
  const machine = architecture === "aarch64" || architecture === "arm" ? "arm64" : "x64"
  const program = filterOf(architecturesOf(machine), rulesWithout(new Set(allowed), emulation))
  return answerOf(program, { architecture: auditNumbers[architecture], number, arguments: words.map(BigInt) })
}

/** Calls that never do anything, by the architectures that have them. */
const wide: ReadonlyArray<SystemCall> = [
  "capset",
  "fchown",
  "fchownat",
  "setgid",
  "setgroups",
  "setregid",
  "setresgid",
  "setresuid",
  "setreuid",
  "setuid"
]
const old: ReadonlyArray<SystemCall> = ["chown", "lchown"]
const narrow: ReadonlyArray<SystemCall> = [
  "chown32",
  "fchown32",
  "lchown32",
  "setgid32",
  "setgroups32",
  "setregid32",
  "setresgid32",
  "setresuid32",
  "setreuid32",
  "setuid32"
]

describe("what root of an ordinary user asks for", () => {
  it.each(architectures)("is answered with success on %s where it is about owners, ids or capabilities", (name) => {
    for (const call of [...wide, ...old, ...narrow]) {
      const missing = name === "aarch64" ? !wide.includes(call) : name === "x86_64" && narrow.includes(call)
      assert.strictEqual(answer(call, name, [1, 2, 3]), missing ? undefined : success, call)
      assert.strictEqual(answer(call, name, [1, 2, 3], ["ids"]), missing ? undefined : allow, call)
    }
  })

  it.each(architectures)(
    "is answered on %s where it makes a device, and made where it is a file, FIFO or socket",
    (name) => {
      for (const permissions of [0, 0o644, 0o7777]) {
        for (
          const [kind, expected] of [[0, allow], [1, allow], [2, success], [6, success], [8, allow], [
            12,
            allow
          ]] as const
        ) {
          const mode = kind * 0o10000 + permissions
          assert.strictEqual(answer("mknodat", name, [-100, 0o20000, mode, 0x103]), expected, mode.toString(8))
          assert.strictEqual(answer("mknod", name, [0o20000, mode, 0x20000]), name === "aarch64" ? undefined : expected)
          assert.strictEqual(answer("mknodat", name, [-100, 0, mode, 0x103], ["ids"]), allow)
        }
      }
    }
  )

  it("is nothing else", () => {
    const named = emulation.flatMap(({ calls }) => calls)
    assert.sameMembers(named, [...wide, ...old, ...narrow, "mknod", "mknodat"])
    for (const architecture of architectures) {
      assert.strictEqual(answer("mount", architecture), allow)
      assert.strictEqual(answer("clone", architecture), allow)
    }
  })
})
