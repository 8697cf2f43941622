import { assert, describe, it } from "@effect/vitest"
import { permissionNames } from "../../src/image/SettingsDefaults.ts"
import { nothingFound } from "../../src/sandbox/HostParts.ts"
import { permissionsOf as permissionsOn } from "../../src/sandbox/Permissions.ts"
import { ann, found, root } from "./SandboxFixture.ts"

const session = { XDG_RUNTIME_DIR: "/run/user/7" }

type Asked = Parameters<typeof permissionsOn>

/** On a host where nothing is found that has to be looked for, unless told. */
const permissionsOf = (
  permissions: Asked[0],
  identity: Asked[1],
  host: Asked[2],
  parts: Asked[3] = nothingFound
) => permissionsOn(permissions, identity, host, parts)

const bindsOf = (...parameters: Parameters<typeof permissionsOf>) =>
  permissionsOf(...parameters).binds.map(({ source, target, type }) => `${type} ${source} ${target}`)

describe("permissions", () => {
  it("open nothing when there are none", () => {
    assert.deepStrictEqual(permissionsOf([], ann, { ...session, DISPLAY: ":0", WAYLAND_DISPLAY: "w" }), {
      network: false,
      binds: [],
      environment: {},
      search: {},
      lacks: []
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

  it("dbus_user is in the runtime directory where no address is set", () => {
    for (const address of [undefined, "", "autolaunch:", "unix:runtime=yes"]) {
      const granted = permissionsOf(["dbus_user"], ann, { ...session, DBUS_SESSION_BUS_ADDRESS: address })
      assert.deepStrictEqual(granted.binds.map(({ source, target }) => [source, target]), [
        ["/run/user/7/bus", "/run/user/1000/bus"]
      ])
      assert.deepStrictEqual(granted.environment, { DBUS_SESSION_BUS_ADDRESS: "unix:path=/run/user/1000/bus" })
    }
  })

  it("buses in the network need that too", () => {
    const host = { DBUS_SESSION_BUS_ADDRESS: "unix:abstract=/x", DBUS_SYSTEM_BUS_ADDRESS: "tcp:host=h,port=1" }
    assert.deepStrictEqual(permissionsOf(["dbus_user", "network"], ann, host).environment, {
      DBUS_SESSION_BUS_ADDRESS: "unix:abstract=/x"
    })
    assert.match(permissionsOf(["dbus_user"], ann, host).lacks[0]?.reason ?? "", /network/)
    assert.deepStrictEqual(bindsOf(["dbus_system"], ann, host), [])
    assert.deepStrictEqual(bindsOf(["dbus_system"], ann, { DBUS_SYSTEM_BUS_ADDRESS: "unix:path=/b" }), ["rw /b /b"])
  })

  it("xorg takes displays of the network with that, and cookies from home", () => {
    const forwarded = { DISPLAY: "localhost:10.0", HOME: "/home/ann" }
    assert.deepStrictEqual(bindsOf(["xorg"], ann, forwarded), [])
    assert.match(permissionsOf(["xorg"], ann, forwarded).lacks[0]?.reason ?? "", /network/)
    const granted = permissionsOf(["xorg", "network"], ann, forwarded)
    assert.strictEqual(granted.environment["DISPLAY"], "localhost:10.0")
    assert.strictEqual(granted.environment["XAUTHORITY"], "/home/ann/.Xauthority")
    const socket = permissionsOf(["xorg"], ann, { DISPLAY: "/tmp/x:0", XAUTHORITY: "/a" })
    assert.deepStrictEqual(socket.binds.map(({ source }) => source), ["/tmp/x:0", "/a"])
    const own = permissionsOf(["xorg"], ann, { DISPLAY: ":1" }, { ...nothingFound, cookies: Uint8Array.of(1) })
    assert.deepStrictEqual(own.binds.map(({ source }) => source), ["/tmp/.X11-unix/X1"])
  })

  it("network passes the caller's proxies, in both cases", () => {
    const host = { http_proxy: "http://p:1", NO_PROXY: "localhost", all_proxy: undefined, PROXY: "x" }
    assert.deepStrictEqual(permissionsOf(["network"], ann, host).environment, {
      http_proxy: "http://p:1",
      NO_PROXY: "localhost"
    })
    assert.deepStrictEqual(permissionsOf(["home"], ann, host).environment, {})
  })

  it("gpu and input have the devices of compute, Wine, and controllers", () => {
    assert.includeMembers(bindsOf(["gpu"], ann, {}), [
      "dev /dev/kfd /dev/kfd",
      "dev /dev/dxg /dev/dxg",
      "dev /dev/ntsync /dev/ntsync"
    ])
    assert.include(bindsOf(["input"], ann, {}, found), "dev /dev/hidraw0 /dev/hidraw0")
  })

  it("home is none of the system's directories", () => {
    for (const home of ["/usr", "/dev/null", "/proc/self", "/run"]) {
      assert.deepStrictEqual(bindsOf(["home"], { ...ann, home }, {}), [], home)
    }
  })

  it("audio takes servers in the forms of its clients", () => {
    const chosen = { ...session, PULSE_SERVER: "{id}unix:/p/s", PIPEWIRE_REMOTE: "/w/s" }
    assert.includeMembers(bindsOf(["audio"], ann, chosen), [
      "rw /p/s /run/user/1000/pulse/native",
      "rw /w/s /run/user/1000/pipewire-0"
    ])
    const remote = { HOME: "/home/ann", PULSE_SERVER: "tcp:h:1" }
    assert.match(permissionsOf(["audio"], ann, remote).lacks[0]?.reason ?? "", /network/)
    const granted = permissionsOf(["audio", "network"], ann, remote)
    assert.deepInclude(granted.environment, { PULSE_SERVER: "tcp:h:1", PULSE_COOKIE: "/run/user/1000/pulse/cookie" })
    assert.deepStrictEqual(
      bindsOf(["audio"], ann, { PULSE_RUNTIME_PATH: "/r" })[0],
      "rw /r/native /run/user/1000/pulse/native"
    )
  })

  it("audio moves the sockets and says where they are", () => {
    const granted = permissionsOf(["audio"], ann, session)
    assert.deepStrictEqual(granted.environment, { PULSE_SERVER: "unix:/run/user/1000/pulse/native" })
    assert.include(granted.binds.map(({ source }) => source), "/run/user/7/pulse/native")
    assert.deepStrictEqual(permissionsOf(["audio"], ann, {}).environment, {})
  })

  it("dev comes first, and nothing is bound that it shows already", () => {
    const targets = permissionsOf(["shm", "gpu", "dev", "usb"], ann, {}, found).binds.map(({ target }) => target)
    assert.strictEqual(targets[0], "/dev")
    assert.deepStrictEqual(targets.filter((target) => target.startsWith("/dev/")), [])
    assert.include(targets, "/sys/class/drm")
  })

  it("bind a place once, with the most rights that one of them gives", () => {
    const sys = bindsOf(["usb", "gpu"], ann, {}).filter((bind) => bind.includes("/sys/devices"))
    assert.deepStrictEqual(sys, ["ro /sys/devices /sys/devices"])
    const display = { DISPLAY: ":1", XAUTHORITY: "/home/ann/.Xauthority" }
    assert.deepStrictEqual(
      bindsOf(["xorg", "home"], { ...ann, home: "/elsewhere" }, display).at(-1),
      "rw /elsewhere /elsewhere"
    )
    assert.notInclude(bindsOf(["home", "xorg"], ann, display).join("\n"), ".Xauthority")
    // A socket that moves is at another place than in the home directory, and stays.
    const moved = { WAYLAND_DISPLAY: "/home/ann/socket" }
    assert.include(bindsOf(["home", "wayland"], ann, moved), "rw /home/ann/socket /run/user/1000/socket")
    // A name that only begins alike is no part of it.
    assert.include(
      bindsOf(["home", "xorg"], ann, { DISPLAY: ":1", XAUTHORITY: "/home/anne" }),
      "ro /home/anne /home/anne"
    )
  })

  it("gpu binds every node of NVIDIA and what was found of its driver, file by file", () => {
    const granted = permissionsOf(["gpu"], ann, {}, found)
    const targets = granted.binds.map(({ target, type }) => `${type} ${target}`)
    assert.includeMembers(targets, [
      "dev /dev/dri",
      "dev /dev/nvidia0",
      "dev /dev/nvidia1",
      "dev /dev/nvidia-caps",
      "dev /dev/nvidiactl",
      "ro /tmp/fim/run/host/usr/lib/libcuda.so.1"
    ])
    assert.deepStrictEqual(granted.search, found.driver.search)
    assert.deepStrictEqual(permissionsOf(["optical", "network", "usb"], ann, {}, found).search, {})
  })

  it("network keeps the image's own name services where the host's would not do", () => {
    assert.include(bindsOf(["network"], ann, {}, found), "ro /etc/nsswitch.conf /etc/nsswitch.conf")
    const granted = permissionsOf(["network"], ann, {}, { ...found, nameServices: false })
    assert.notInclude(granted.binds.map(({ target }) => target), "/etc/nsswitch.conf")
    assert.match(granted.lacks[0]?.reason ?? "", /nsswitch/)
  })

  it("optical opens the drives that were found", () => {
    assert.deepStrictEqual(bindsOf(["optical"], ann, {}, found), [
      "dev /dev/sr0 /dev/sr0",
      "dev /dev/sr10 /dev/sr10",
      "dev /dev/sg2 /dev/sg2"
    ])
    assert.deepStrictEqual(bindsOf(["optical"], ann, {}), [])
  })

  it("say what they lack, whatever is missing", () => {
    const lacking = permissionsOf(permissionNames, root, {}).lacks.map(({ permission }) => permission).sort()
    assert.deepStrictEqual(lacking, ["audio", "dbus_user", "gpu", "home", "network", "optical", "wayland", "xorg"])
    const complete = {
      ...session,
      WAYLAND_DISPLAY: "wayland-0",
      DISPLAY: ":1",
      XAUTHORITY: "/a",
      DBUS_SESSION_BUS_ADDRESS: "unix:path=/b"
    }
    assert.deepStrictEqual(permissionsOf(permissionNames, ann, complete, found).lacks, [])
  })

  it("are given in whatever order with the same outcome", () => {
    const reversed = bindsOf([...permissionNames].reverse(), ann, session)
    assert.deepStrictEqual(reversed.sort(), bindsOf(permissionNames, ann, session).sort())
  })
})
