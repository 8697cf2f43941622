import { assert, describe, expect, it } from "@effect/vitest"
import { type Permission, permissionNames } from "../../src/image/SettingsDefaults.ts"
import { sandboxArguments, type SandboxRequest } from "../../src/sandbox/Arguments.ts"
import { environmentOf } from "../../src/sandbox/Environment.ts"
import { permissionsOf } from "../../src/sandbox/Permissions.ts"
import { ann, facts, found, plain, root } from "./SandboxFixture.ts"

/** One option with its words in each line. */
const lines = (request: SandboxRequest): string =>
  sandboxArguments(request).join(" ").replaceAll(/ (?=--)/g, "\n").concat("\n")

/** The two words behind each occurrence of an option. */
const pairsOf = (words: ReadonlyArray<string>, option: string) =>
  words.flatMap((word, index) => (word === option ? [[words[index + 1], words[index + 2]]] : []))

const host = {
  XDG_RUNTIME_DIR: "/run/user/1000",
  WAYLAND_DISPLAY: "wayland-0",
  DISPLAY: ":1",
  XAUTHORITY: "/run/user/1000/xauth",
  DBUS_SESSION_BUS_ADDRESS: "unix:path=/run/user/1000/bus"
}

/** The sandbox of an ordinary user to whom this is granted. */
const granting = (permissions: ReadonlyArray<Permission>): SandboxRequest => {
  const { binds, environment, network, search } = permissionsOf(permissions, ann, host, found)
  const given = environmentOf({ host: {}, identity: ann, facts, permissions: environment, search, image: {} })
  return { ...plain, network, binds, environment: given }
}

/** What a set of permissions changes in the command line: lines that it takes away and adds. */
const changes = (permissions: ReadonlyArray<Permission>): string => {
  const without = lines(granting([])).split("\n")
  const granted = lines(granting(permissions)).split("\n")
  const gone = without.filter((line) => !granted.includes(line))
  const added = granted.filter((line) => !without.includes(line))
  return [`# ${permissions.join(" ")}`, ...gone.map((line) => `- ${line}`), ...added.map((line) => `+ ${line}`), ""]
    .join("\n")
}

const combinations: ReadonlyArray<ReadonlyArray<Permission>> = [
  ["home", "xorg"],
  ["usb", "gpu"],
  ["gpu", "dev"],
  ["shm", "optical", "audio", "input", "dev"],
  ["wayland", "audio", "dbus_user"],
  ["network", "dbus_system", "udev"]
]

describe("arguments of the sandbox", () => {
  it("of an ordinary user with nothing granted", () =>
    expect(lines(plain)).toMatchFileSnapshot("../golden/sandbox-user.txt"))

  it("of an ordinary user as root", () =>
    expect(lines({ ...plain, identity: root })).toMatchFileSnapshot("../golden/sandbox-user-as-root.txt"))

  it("of root itself", () =>
    expect(lines({ ...plain, identity: root, ownUsers: false })).toMatchFileSnapshot("../golden/sandbox-root.txt"))

  it("of an ordinary user with everything granted", () => {
    return expect(lines(granting(permissionNames))).toMatchFileSnapshot("../golden/sandbox-everything.txt")
  })

  it("of an ordinary user with each permission, and with some together", () => {
    const text = [...permissionNames.map((name) => [name]), ...combinations].map(changes).join("\n")
    return expect(text).toMatchFileSnapshot("../golden/sandbox-permissions.txt")
  })

  it("share a network only when it is granted and not taken away", () => {
    const cases = [[false, false, true], [false, true, true], [true, false, false], [true, true, true]] as const
    for (const [network, net, isolated] of cases) {
      const words = sandboxArguments({ ...plain, network, namespaces: new Set(net ? ["net"] : []) })
      assert.strictEqual(words.includes("--unshare-net"), isolated)
    }
  })

  it("share what is not taken away, but never the processes", () => {
    const words = sandboxArguments({ ...plain, namespaces: new Set() })
    const namespaces = words.filter((word) => word.startsWith("--unshare-")).sort()
    assert.deepStrictEqual(namespaces, ["--unshare-net", "--unshare-pid", "--unshare-user"])
    assert.notInclude(words, "--hostname")
  })

  it("keep every capability from who is not root", () => {
    const words = sandboxArguments(plain)
    assert.deepStrictEqual(pairsOf(words, "--cap-drop").map(([first]) => first), ["ALL"])
    // With this one its first process empties the bounding set, and then drops it too.
    assert.deepStrictEqual(pairsOf(words, "--cap-add").map(([first]) => first), ["CAP_SETPCAP"])
    assert.deepInclude(pairsOf(words, "guest"), ["--capabilities", "none"])
    assert.deepInclude(pairsOf(sandboxArguments({ ...plain, identity: root }), "guest"), ["--capabilities", "held"])
    // Where there can be no user namespace there is nothing to give, and nothing to take.
    const without = sandboxArguments({ ...plain, ownUsers: false })
    assert.notInclude(without, "--cap-add")
    assert.notInclude(without, "--capabilities")
    const kept = pairsOf(sandboxArguments({ ...plain, identity: root }), "--cap-add").map(([first]) => first)
    for (const dangerous of ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_MKNOD", "CAP_NET_ADMIN", "CAP_SYS_MODULE"]) {
      assert.notInclude(kept, dangerous)
    }
  })

  it("give words as they are, whatever they hold", () => {
    const odd = "--bind / /\n$HOME 'x'"
    const words = sandboxArguments({
      ...plain,
      environment: { ODD: odd },
      directories: [odd],
      binds: [{ type: "ro", source: odd, target: `/${odd}`, optional: false }]
    })
    assert.deepStrictEqual(pairsOf(words, "--setenv"), [["ODD", odd]])
    assert.deepInclude(pairsOf(words, "--ro-bind"), [odd, `/${odd}`])
    assert.strictEqual(words.at(-2), odd)
    assert.strictEqual(words.at(-1), "--")
  })

  it.each(
    [
      ["ro", false, "--ro-bind"],
      ["ro", true, "--ro-bind-try"],
      ["rw", false, "--bind"],
      ["rw", true, "--bind-try"],
      ["dev", false, "--dev-bind"],
      ["dev", true, "--dev-bind-try"]
    ] as const
  )("bind %s, optional %s, with %s", (type, optional, option) => {
    const words = sandboxArguments({ ...plain, binds: [{ type, source: "/s", target: "/t", optional }] })
    assert.deepInclude(pairsOf(words, option), ["/s", "/t"])
  })

  it("put the caller's binds over our own, and the environment behind them", () => {
    const words = sandboxArguments({ ...plain, binds: [{ type: "rw", source: "/s", target: "/t", optional: false }] })
    assert.isAbove(words.indexOf("/t"), words.indexOf(plain.guest.sbin))
    assert.isBelow(words.indexOf("/t"), words.indexOf("--clearenv"))
  })

  it("make no home where it is the root directory", () => {
    const words = sandboxArguments({ ...plain, identity: { ...ann, home: "/" } })
    assert.notDeepInclude(pairsOf(words, "--dir").map(([first]) => first), "/")
  })
})
