import { assert, describe, it } from "@effect/vitest"
import { kernelOptions } from "../../src/sandbox/KernelFiles.ts"

describe("files of the kernel that the host's root has to itself", () => {
  it("are closed, emptied or made read-only, if the kernel has them", () => {
    const options = kernelOptions(["1", "vmallocinfo", "acpi", "sys", "cpuinfo", "self"]).join(" ")
    const expected =
      "--perms 0555 --tmpfs /proc/acpi --ro-bind-try /proc/sys /proc/sys --ro-bind /dev/null /proc/vmallocinfo"
    assert.strictEqual(options, expected)
    assert.deepStrictEqual(kernelOptions([]), [])
  })
})
