import { assert, describe, it } from "@effect/vitest"
import { authorityOf, busOf, soundServerOf, xServerOf } from "../../src/sandbox/Addresses.ts"

const local = (number: string) => ({ _tag: "Local", number })
const network = (number: string) => ({ _tag: "Network", number })

describe("the X server of a display", () => {
  it.each([
    [":0", local("0")],
    [":12.3", local("12")],
    ["unix:1", local("1")],
    ["unix/:1", local("1")],
    ["lighthouse/unix:10", local("10")],
    ["localhost:10.0", network("10")],
    ["127.0.0.1:10", network("10")],
    ["[::1]:10.0", network("10")],
    ["::1:10", network("10")],
    ["tcp/host:0", network("0")],
    ["host.example.org:0.1", network("0")],
    ["/tmp/launch/org.x:0", { _tag: "Socket", path: "/tmp/launch/org.x:0", number: "0" }],
    ["unix:/tmp/socket", { _tag: "Socket", path: "/tmp/socket", number: "0" }],
    ["/tmp/x:3.1", { _tag: "Socket", path: "/tmp/x:3", number: "3" }]
  ])("%s", (display, server) => {
    assert.deepStrictEqual(xServerOf(display) as unknown, server)
  })

  it.each([undefined, "", ":", ":../../etc", "host", "node::0", ":0;rm", "decnet/node:0"])("not for %j", (display) => {
    assert.isUndefined(xServerOf(display))
  })
})

describe("the file of cookies", () => {
  it("is the chosen one, or that in the home directory", () => {
    assert.strictEqual(authorityOf({ XAUTHORITY: "/a", HOME: "/h" }), "/a")
    assert.strictEqual(authorityOf({ XAUTHORITY: "", HOME: "/h" }), "/h/.Xauthority")
    assert.strictEqual(authorityOf({ HOME: "/" }), "/.Xauthority")
    assert.isUndefined(authorityOf({ XAUTHORITY: "relative", HOME: "/h" }))
    assert.isUndefined(authorityOf({}))
  })
})

describe("a bus", () => {
  it.each([
    ["unix:path=/run/bus", "/run/bus"],
    ["unix:guid=1,path=/run/bus", "/run/bus"],
    ["unix:path=/tmp/a%20b%2cc", "/tmp/a b,c"],
    ["unix:path=/tmp/caf%c3%a9", "/tmp/café"],
    ["launchd:env=X;unix:path=/a", "/a"],
    ["tcp:host=localhost,port=1;unix:path=/a", "/a"],
    ["unix:abstract=/x;unix:path=/a", "/a"]
  ])("%s", (address, path) => {
    assert.deepStrictEqual(busOf(address, false), { _tag: "Socket", path })
  })

  it("may be in the runtime directory, or in the network", () => {
    assert.deepStrictEqual(busOf("unix:runtime=yes", false), { _tag: "Runtime" })
    assert.deepStrictEqual(busOf("unix:abstract=/x", false), { _tag: "Network" })
    assert.deepStrictEqual(busOf("tcp:host=localhost,port=1;unix:path=/a", true), { _tag: "Network" })
  })

  it.each(["unix:path=relative", "unix:path=/a%2", "unix:path=/a%ff", "unix:path=/a%00b", "nonsense", "unix:", ";;"])(
    "is not %s",
    (address) => {
      assert.isUndefined(busOf(address, true))
    }
  )
})

describe("a sound server", () => {
  it.each([
    ["unix:/run/pulse", { _tag: "Socket", path: "/run/pulse" }],
    ["/run/pulse", { _tag: "Socket", path: "/run/pulse" }],
    ["{0123abc}unix:/run/pulse tcp:host:1", { _tag: "Socket", path: "/run/pulse" }],
    ["tcp:host:4713", { _tag: "Network", address: "tcp:host:4713" }],
    ["tcp6:[::1]:4713", { _tag: "Network", address: "tcp6:[::1]:4713" }],
    ["host", { _tag: "Network", address: "host" }]
  ])("%s", (value, server) => {
    assert.deepStrictEqual(soundServerOf(value) as unknown, server)
  })

  it.each([undefined, "", "  ", "a;b"])("not %j", (value) => assert.isUndefined(soundServerOf(value)))
})
