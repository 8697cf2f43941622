import { assert, describe, expect, it } from "@effect/vitest"
import { type Permission, permissionNames } from "../../src/image/SettingsDefaults.ts"
import { commandLine, sandboxArguments, type SandboxRequest } from "../../src/sandbox/Arguments.ts"
import { environmentOf } from "../../src/sandbox/Environment.ts"
import { permissionsOf } from "../../src/sandbox/Permissions.ts"
import { ann, facts, found, plain, root } from "./SandboxFixture.ts"

/** One option with its words in each line: bubblewrap's, and behind an empty line those of `fim guest`. */
const lines = (request: SandboxRequest): string => {
  const { guest, options } = sandboxArguments(request)
  return [options, guest].map((words) => words.join(" ").replaceAll(/ (?=--)/g, "\n").concat("\n")).join("\n")
}

/** What bubblewrap is told. */
const optionsOf = (request: SandboxRequest): ReadonlyArray<string> => sandboxArguments(request).options

/** How `fim guest` is told to limit capabilities. */
const limit = (request: SandboxRequest) => sandboxArguments(request).guest.slice(0, 2)

const bind = (target: string) => ({ type: "rw", source: "/s", target, optional: false }) as const

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
    expect(lines({ ...plain, identity: root, home: root.home })).toMatchFileSnapshot(
      "../golden/sandbox-user-as-root.txt"
    ))

  it("of root itself", () =>
    expect(lines({ ...plain, identity: root, home: root.home, ownUsers: false })).toMatchFileSnapshot(
      "../golden/sandbox-root.txt"
    ))

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
      const words = optionsOf({ ...plain, network, namespaces: new Set(net ? ["net"] : []) })
      assert.strictEqual(words.includes("--unshare-net"), isolated)
    }
  })

  it("share what is not taken away, but never the processes", () => {
    const words = optionsOf({ ...plain, namespaces: new Set() })
    const namespaces = words.filter((word) => word.startsWith("--unshare-")).sort()
    assert.deepStrictEqual(namespaces, ["--unshare-net", "--unshare-pid", "--unshare-user"])
    assert.notInclude(words, "--hostname")
  })

  it("keep every capability from who is not root", () => {
    const words = optionsOf(plain)
    assert.deepStrictEqual(pairsOf(words, "--cap-drop").map(([first]) => first), ["ALL"])
    // With this one its first process empties the bounding set, and then drops it too.
    assert.deepStrictEqual(pairsOf(words, "--cap-add").map(([first]) => first), ["CAP_SETPCAP"])
    assert.deepStrictEqual(limit(plain), ["--capabilities", "none"])
    assert.deepStrictEqual(limit({ ...plain, identity: root }), ["--capabilities", "held"])
    // Where there can be no user namespace there is nothing to give, and nothing to take.
    assert.notInclude(optionsOf({ ...plain, ownUsers: false }), "--cap-add")
    assert.notInclude(limit({ ...plain, ownUsers: false }), "--capabilities")
    const kept = pairsOf(optionsOf({ ...plain, identity: root }), "--cap-add").map(([first]) => first)
    for (const dangerous of ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_MKNOD", "CAP_NET_ADMIN", "CAP_SYS_MODULE"]) {
      assert.notInclude(kept, dangerous)
    }
  })

  it("give words as they are, whatever they hold", () => {
    const odd = "--bind / /\n$HOME 'x'"
    const { guest, options } = sandboxArguments({
      ...plain,
      environment: { ODD: odd },
      directories: [odd],
      binds: [{ type: "ro", source: odd, target: `/${odd}`, optional: false }]
    })
    assert.deepInclude(pairsOf(options, "--ro-bind"), [odd, `/${odd}`])
    assert.deepStrictEqual(guest.slice(-5), ["--directory", odd, "--variable", `ODD=${odd}`, "--"])
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
    const words = optionsOf({ ...plain, binds: [{ type, source: "/s", target: "/t", optional }] })
    assert.deepInclude(pairsOf(words, option), ["/s", "/t"])
  })

  it("put our own binds over the caller's, and what hides directories of ours between them", () => {
    const words = optionsOf({ ...plain, binds: [bind("/t")], hidden: ["/t/ours", "/u"], own: [bind("/own")] })
    const places = ["/tmp", "/t", "/t/ours", "/u", plain.guest.bin, `${plain.guest.instance}/portal`, "/own"]
    const found = places.map((place) => words.indexOf(place))
    assert.deepStrictEqual(found.toSorted((one, other) => one - other), found)
    assert.deepStrictEqual(pairsOf(words, "--tmpfs").map(([first]) => first), ["/tmp", "/run", "/t/ours", "/u"])
    // Read-only only when all is in place: our own may be below.
    assert.deepStrictEqual(words.slice(-5), ["--remount-ro", "/t/ours", "--remount-ro", "/u", "--clearenv"])
  })

  it("tell nothing in a command line", () => {
    const guest = plain.guest
    const words = commandLine("bwrap", guest)
    assert.deepStrictEqual(words, ["bwrap", "--args", "6", "--", `${guest.bin}/fim`, "guest"])
  })

  it("make no home where it is the root directory", () => {
    const words = optionsOf({ ...plain, identity: { ...ann, home: "/" }, home: undefined })
    assert.notDeepInclude(pairsOf(words, "--dir").map(([first]) => first), "/")
  })
})
