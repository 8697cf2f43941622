import { assert, describe, it } from "@effect/vitest"
import { limitsCheck, limitsIn, linesOf, memoryCheck, spaceCheck } from "../../../src/cli/info/Checks.ts"

const limits = (files: string, space = "unlimited") =>
  [
    "Limit                     Soft Limit           Hard Limit           Units     ",
    "Max file size             unlimited            unlimited            bytes     ",
    `Max open files            ${files.padEnd(20)} 1048576              files     `,
    `Max address space         ${space.padEnd(20)} unlimited            bytes     `,
    "Max realtime timeout      unlimited            unlimited            us        "
  ].join("\n")

/** Output of `df -Pk` with this much free space, in KiB. */
const df = (free: number) =>
  `Filesystem           1024-blocks    Used Available Capacity Mounted on\n/dev/a b   100000 1 ${free} 12% /\n`

describe("checks of a host", () => {
  it("reads soft limits", () => {
    const read = limitsIn(limits("1024", "4096"))
    assert.deepStrictEqual([...read], [
      ["Max file size", Infinity],
      ["Max open files", 1024],
      ["Max address space", 4096],
      ["Max realtime timeout", Infinity]
    ])
  })

  it("names limits that are too low, and what raises them", () => {
    assert.strictEqual(limitsCheck(limits("1024")).state, "ok")
    assert.strictEqual(limitsCheck("").state, "ok")
    assert.deepStrictEqual(limitsCheck(limits("20", "1048576")), {
      name: "limits",
      state: "limited",
      detail: "open files: 20, address space: 1048576",
      remedy: "ulimit -n 64; ulimit -v 2097152"
    })
  })

  it("looks at memory and room", () => {
    assert.strictEqual(memoryCheck("MemTotal: 1 kB\nMemAvailable:  262144 kB\n").state, "ok")
    assert.strictEqual(memoryCheck("MemAvailable:  262143 kB\n").state, "limited")
    assert.strictEqual(spaceCheck("data", "/x", df(32 * 1024)).state, "ok")
    const full = spaceCheck("data", "/x", df(1024))
    assert.deepStrictEqual([full.state, full.detail], ["limited", "1 MiB free in '/x'"])
    assert.include(full.remedy, "FIM_DIR_DATA")
    assert.strictEqual(spaceCheck("tools", "/x", "").detail, "unknown in '/x'")
  })

  it("prints what helps below each line", () => {
    assert.deepStrictEqual(
      linesOf([
        { name: "a", state: "ok", detail: "is there" },
        { name: "b", state: "limited", detail: "is not", remedy: "do this" }
      ]),
      ["ok      a: is there", "limited b: is not", "        do this"]
    )
  })
})
