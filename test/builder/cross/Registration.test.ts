import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { handles, identityMap, registration, userMaps } from "../../../src/builder/cross/Registration.ts"
import { Machine } from "../../../src/builder/Machine.ts"

const machine = (arch: string) => Effect.provide(Machine, Machine.layer({ arch, uid: 0 }))

describe("the architecture of an image", () => {
  it.effect("is that of the machine unless another is named", () =>
    Effect.gen(function*() {
      const { target, targetOf } = yield* machine("x64")
      assert.strictEqual((yield* target).debian, "amd64")
      assert.strictEqual(yield* targetOf(undefined), undefined)
      assert.strictEqual(yield* targetOf("amd64"), undefined)
      assert.strictEqual((yield* targetOf("arm64"))?.rust, "aarch64-unknown-linux-gnu")
    }))

  it.effect("is refused where there is no compiler for it", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip((yield* machine("arm64")).targetOf("amd64"))
      assert.strictEqual(error.message, "images for amd64 cannot be made on arm64")
    }))
})

const bytes = (text: string) => text.split("\\x").slice(1).map((digits) => Number.parseInt(digits, 16))

/** The first bytes of a program, with the mark of an image. */
const head = (
  machine: number,
  type: number,
  mark = 0
) => [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 3, mark, mark, mark, 0, 0, 0, 0, 0, type, 0, machine, 0]

describe("the rule for programs of arm64", () => {
  // As the kernel describes that of `fim emulate`, and that of Debian's package.
  const own = [
    "enabled",
    "interpreter /q/qemu-aarch64",
    "flags: PF",
    "offset 0",
    "magic 7f454c460201010000000000000000000200b700",
    "mask ffffffffffffff00fffffffffffffffffeffffff",
    ""
  ].join("\n")

  it("names the interpreter and no program of this machine", () => {
    const [, name, kind, offset, magic = "", mask = "", interpreter, flags] = registration("/q/qemu-aarch64").split(":")
    assert.deepStrictEqual([name, kind, offset, interpreter, flags], [
      "flatimage-aarch64",
      "M",
      "",
      "/q/qemu-aarch64",
      "FP"
    ])
    const matches = (head: ReadonlyArray<number>) =>
      bytes(magic).every((byte, index) => ((head[index] ?? 0) & (bytes(mask)[index] ?? 0)) === byte)
    assert.deepStrictEqual([head(183, 2), head(183, 3), head(183, 2, 0x46), head(62, 2), head(183, 1)].map(matches), [
      true,
      true,
      true,
      false,
      false
    ])
  })

  it("is one of the machine's only if it is enabled and its interpreter is open", () => {
    assert.isTrue(handles(own))
    assert.isFalse(handles(own.replace("PF", "PO")))
    assert.isFalse(handles(own.replace("enabled", "disabled")))
    assert.isFalse(handles(own.replace("b700", "f300")))
  })
})

describe("the users of the namespace", () => {
  it("are for root all that there are", () => {
    assert.strictEqual(identityMap("         0          0 4294967295\n"), "0 0 4294967295")
    assert.strictEqual(identityMap("0 100000 1000\n 5000 7 2\n"), "0 0 1000,5000 5000 2")
  })

  it("are for others those that root has given them", () => {
    const user = { name: "eva", uid: 1000, gid: 100 }
    const maps = userMaps(user, "bob:1:70000\neva:100000:65536\n", "1000:200000:65536\n")
    assert.deepStrictEqual(maps, { users: "0 1000 1,1 100000 65536", groups: "0 100 1,1 200000 65536" })
    assert.isUndefined(userMaps(user, "eva:100000:65536\n", ""))
    assert.isUndefined(userMaps(user, "eva:100000:1000\n", "eva:100000:65536\n"))
  })
})
