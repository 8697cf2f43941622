import { assert, describe, it } from "@effect/vitest"
import { added, inForce, named, removed } from "../../src/image/Namespaces.ts"

describe("namespaces of a guest", () => {
  it("adding one takes none away", () => {
    const stored = added([], ["net"])
    assert.deepStrictEqual(named(stored), ["net"])
    assert.deepStrictEqual(inForce(stored), ["ipc", "net", "uts", "cgroup"])
    assert.deepStrictEqual(named(added(stored, ["ipc"])), ["ipc", "net"])
    assert.deepStrictEqual(inForce(added(stored, ["pid"])), ["ipc", "pid", "net", "uts", "cgroup"])
  })

  it("those that were set are all, also with more", () => {
    assert.deepStrictEqual(inForce(["pid", "ipc"]), ["ipc", "pid"])
    assert.deepStrictEqual(inForce(added(["pid", "ipc"], ["net"])), ["ipc", "pid", "net"])
  })

  it("one of the default can be taken away", () => {
    const stored = added([], ["net"])
    assert.deepStrictEqual(inForce(removed(stored, ["ipc"])), ["net", "uts", "cgroup"])
    assert.deepStrictEqual(inForce(removed(stored, ["net"])), ["ipc", "uts", "cgroup"])
    assert.deepStrictEqual(removed(stored, ["net"]), [])
    assert.deepStrictEqual(removed(["pid", "net"], ["net"]), ["pid"])
    assert.deepStrictEqual(removed([], ["ipc"]), [])
  })
})
