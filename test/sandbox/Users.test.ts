import { assert, describe, it } from "@effect/vitest"
import { type Circumstances, usersOf } from "../../src/sandbox/Users.ts"

const root: Circumstances = {
  caller: 0,
  guest: 0,
  outside: false,
  alone: false,
  refusal: undefined,
  network: false,
  wanted: false
}

describe("users of a guest", () => {
  it("are all of them for root as root", () => {
    assert.deepStrictEqual(usersOf(root), { kind: "everyone" })
    assert.deepStrictEqual(usersOf({ ...root, network: true, wanted: true }), { kind: "everyone" })
  })

  it.each([
    ["an ordinary caller", { caller: 1000, guest: 1000 }],
    ["an ordinary caller as root", { caller: 1000 }],
    ["an ordinary caller with the network", { caller: 1000, guest: 1000, network: true }],
    ["root as somebody else", { guest: 1000 }],
    ["root that is alone already", { alone: true, refusal: "covered" }]
  ])(
    "are the caller alone for %s",
    (_, change) => assert.deepStrictEqual(usersOf({ ...root, ...change }), { kind: "caller" })
  )

  it.each([
    ["where there are no namespaces", { outside: true, caller: 1000 }, /refuses namespaces/],
    ["where root shares the network", { network: true }, /ports below 1024/],
    ["where the janitor has no namespace for root", { refusal: "parts of /proc are covered" }, /^parts of \/proc/]
  ])("are the host's %s", (_, change, because) => {
    const users = usersOf({ ...root, ...change })
    assert.match(users.kind === "host" ? users.because : users.kind, because)
  })
})
