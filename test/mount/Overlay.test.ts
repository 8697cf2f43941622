import { assert, describe, it } from "@effect/vitest"
import { candidates, serverArguments } from "../../src/mount/Overlay.ts"

const options = { loader: "/l/ld.so", lib: "/l", bin: "/b", instance: "42", others: true }

describe("an overlay", () => {
  it("falls back on what needs less of the kernel", () => {
    assert.deepStrictEqual(candidates("bwrap"), ["bwrap", "overlayfs", "unionfs"])
    assert.deepStrictEqual(candidates("overlayfs"), ["overlayfs", "unionfs"])
    assert.deepStrictEqual(candidates("unionfs"), ["unionfs"])
  })

  it("falls back on the kernel's own where there is no FUSE", () => {
    assert.deepStrictEqual(candidates("bwrap", "fuse"), ["bwrap"])
    assert.deepStrictEqual(candidates("unionfs", "fuse"), ["unionfs", "bwrap"])
  })

  it("is tried once more for the caller alone where there are no namespaces", () => {
    assert.deepStrictEqual(candidates("bwrap", "namespaces"), ["bwrap", "overlayfs", "unionfs"])
    assert.deepStrictEqual(candidates("overlayfs", "namespaces"), ["overlayfs", "overlayfs", "unionfs"])
    for (const type of ["overlayfs", "unionfs"] as const) {
      assert.include(serverArguments({ ...options, type }).join(" "), "allow_other")
      assert.notInclude(serverArguments({ ...options, type, others: false }).join(" "), "allow_other")
    }
  })

  it("served by fuse-overlayfs has the layers below the data directory", () => {
    const words = serverArguments({ ...options, type: "overlayfs" })
    assert.deepStrictEqual(words.slice(0, 5), ["/l/ld.so", "--library-path", "/l", "/b/fuse-overlayfs", "-f"])
    assert.match(words.join(" "), /lowerdir=layers\/0,upperdir=data\/data,workdir=data\/work\/42/)
    assert.strictEqual(words.at(-1), "mount")
  })

  it("served by unionfs has the writable branch first, then the layers", () => {
    const words = serverArguments({ ...options, type: "unionfs" })
    assert.include(words, "data/data=RW:layers/0=RO")
    assert.strictEqual(words.at(-1), "mount")
  })
})
