import { assert, describe, it } from "@effect/vitest"
import { hostNamesWith } from "../../src/sandbox/HostNames.ts"

const localhost = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"

describe("the hosts file of a guest", () => {
  it("has localhost and the own name, whatever there was", () => {
    assert.strictEqual(hostNamesWith("", "flatimage"), `${localhost}127.0.1.1\tflatimage\n`)
    assert.strictEqual(hostNamesWith("10.0.0.1 a", "flatimage"), `10.0.0.1 a\n${localhost}127.0.1.1\tflatimage\n`)
    const known = "127.0.0.1 localhost.localdomain LOCALHOST # flatimage\n"
    assert.strictEqual(hostNamesWith(known, "flatimage"), `${known}127.0.1.1\tflatimage\n`)
  })

  it("stays as it is if nothing is missing", () => {
    assert.isUndefined(hostNamesWith("127.0.0.1 localhost\n127.0.1.1 box.lan Box\n", "box"))
    assert.isUndefined(hostNamesWith("127.0.0.1 localhost", "localhost"))
  })

  it("gets no line of a name that cannot stand there", () => {
    for (const name of ["", "(none)", "a b", "a\nb", "#"]) {
      assert.isUndefined(hostNamesWith("::1 localhost", name), JSON.stringify(name))
    }
  })
})
