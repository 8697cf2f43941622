import { assert, describe, it } from "@effect/vitest"
import { permissionNames } from "../../src/image/SettingsDefaults.ts"
import { permissionsOf } from "../../src/sandbox/Permissions.ts"
import { ann, root } from "./SandboxFixture.ts"

const session = { XDG_RUNTIME_DIR: "/run/user/7" }

const bindsOf = (...parameters: Parameters<typeof permissionsOf>) =>
  permissionsOf(...parameters).binds.map(({ source, target, type }) => `${type} ${source} ${target}`)

describe("permissions", () => {
  it("open nothing when there are none", () => {
    assert.deepStrictEqual(permissionsOf([], ann, { ...session, DISPLAY: ":0", WAYLAND_DISPLAY: "w" }), {
      network: false,
      binds: [],
      environment: {}
    })
  })

  it("pass over whatever the host does not have", () => {
    for (const bind of permissionsOf(permissionNames, ann, session).binds) assert.isTrue(bind.optional)
  })

  it("network shares the network and the files that describe it", () => {
    const granted = permissionsOf(["network"], ann, {})
    assert.isTrue(granted.network)
    assert.includeMembers(granted.binds.map(({ target }) => target), ["/etc/resolv.conf", "/etc/hosts"])
    assert.isFalse(permissionsOf(permissionNames.filter((name) => name !== "network"), ann, {}).network)
  })

  it("home is the home of the identity, and root's is its own", () => {
    assert.deepStrictEqual(bindsOf(["home"], ann, {}), ["rw /home/ann /home/ann"])
    assert.deepStrictEqual(bindsOf(["home"], root, {}), [])
    assert.deepStrictEqual(bindsOf(["home"], { ...ann, home: "/" }, {}), [])
  })

  it("wayland moves the socket into the guest's runtime directory", () => {
    const named = { ...session, WAYLAND_DISPLAY: "wayland-1" }
    assert.deepStrictEqual(bindsOf(["wayland"], ann, named), ["rw /run/user/7/wayland-1 /run/user/1000/wayland-1"])
    const absolute = { WAYLAND_DISPLAY: "/somewhere/socket" }
    const granted = permissionsOf(["wayland"], ann, absolute)
    assert.deepStrictEqual(granted.environment, { WAYLAND_DISPLAY: "socket" })
    assert.strictEqual(granted.binds[0]?.target, "/run/user/1000/socket")
    for (const host of [{}, session, { ...session, WAYLAND_DISPLAY: "" }, { WAYLAND_DISPLAY: "wayland-1" }]) {
      assert.deepStrictEqual(permissionsOf(["wayland"], ann, host).binds, [])
    }
  })

  it("xorg opens the socket of the display and no other", () => {
    const granted = permissionsOf(["xorg"], ann, { DISPLAY: ":12.3", XAUTHORITY: "/a" })
    assert.deepStrictEqual(granted.binds.map(({ source, type }) => [type, source]), [["rw", "/tmp/.X11-unix/X12"], [
      "ro",
      "/a"
    ]])
    assert.deepStrictEqual(granted.environment, { DISPLAY: ":12.3", XAUTHORITY: "/a" })
    assert.deepStrictEqual(bindsOf(["xorg"], ann, { DISPLAY: ":1", XAUTHORITY: "" }), [
      "rw /tmp/.X11-unix/X1 /tmp/.X11-unix/X1"
    ])
    for (const DISPLAY of [undefined, "", "host:0", ":../../etc"]) {
      assert.deepStrictEqual(bindsOf(["xorg"], ann, { DISPLAY }), [])
    }
  })

  it.each([
    ["unix:path=/run/bus", "/run/bus"],
    ["unix:path=/run/bus,guid=1", "/run/bus"],
    ["unix:guid=1,path=/run/bus", "/run/bus"],
    ["unix:path=/run/a;unix:path=/run/b", "/run/a"]
  ])("dbus_user opens the socket of %s", (DBUS_SESSION_BUS_ADDRESS, socket) => {
    const granted = permissionsOf(["dbus_user"], ann, { DBUS_SESSION_BUS_ADDRESS })
    assert.deepStrictEqual(granted.binds.map(({ source }) => source), [socket])
    assert.deepStrictEqual(granted.environment, { DBUS_SESSION_BUS_ADDRESS })
  })

  it.each([undefined, "", "tcp:host=localhost", "unix:abstract=/x"])("dbus_user opens nothing for %s", (address) => {
    assert.deepStrictEqual(permissionsOf(["dbus_user"], ann, { DBUS_SESSION_BUS_ADDRESS: address }).binds, [])
  })

  it("audio moves the sockets and says where they are", () => {
    const granted = permissionsOf(["audio"], ann, session)
    assert.deepStrictEqual(granted.environment, { PULSE_SERVER: "unix:/run/user/1000/pulse/native" })
    assert.include(granted.binds.map(({ source }) => source), "/run/user/7/pulse/native")
    assert.deepStrictEqual(permissionsOf(["audio"], ann, {}).environment, {})
  })

  it("dev comes before what others put into /dev", () => {
    const targets = permissionsOf(["shm", "gpu", "dev", "usb"], ann, {}).binds.map(({ target }) => target)
    assert.strictEqual(targets[0], "/dev")
  })

  it("are given in whatever order with the same outcome", () => {
    const reversed = bindsOf([...permissionNames].reverse(), ann, session)
    assert.deepStrictEqual(reversed.sort(), bindsOf(permissionNames, ann, session).sort())
  })
})
