import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import { chmodSync, existsSync, mkdirSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { dirname } from "node:path"
import { type Permission, permissionNames } from "../../src/image/SettingsDefaults.ts"
import { succeeds } from "../support/Commands.ts"
import { inGuestOnly } from "../support/Guest.ts"
import { runOnHost } from "../support/HostNamespace.ts"
import { images, program, root, scenario } from "../support/Needs.ts"
import { debian, type Place, place } from "../support/Place.ts"
import { type User, users } from "../support/Users.ts"

const needs = [...images, root, debian, program("unshare")]

/** A socket of the host that greets whoever comes. */
const socket = (path: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(
    Effect.promise(async () => {
      const isOwn = !existsSync(dirname(path))
      mkdirSync(dirname(path), { recursive: true })
      rmSync(path, { force: true })
      const server = createServer((peer) => void peer.on("error", () => {}).end("hello\n"))
      server.listen(path)
      await once(server, "listening")
      chmodSync(path, 0o777)
      return { server, isOwn }
    }),
    ({ isOwn, server }) =>
      Effect.sync(() => {
        server.close()
        rmSync(path, { force: true })
        if (isOwn && path.startsWith("/tmp/.X11-unix/")) rmdirSync(dirname(path))
      })
  ))

const nodes = [
  "snd/pcm0",
  "dsp",
  "bus/usb/001",
  "usb/hiddev0",
  "input/event0",
  "uinput",
  "dri/card0",
  "nvidia0",
  "nvidia17",
  "nvidia-caps/cap1",
  "nvidiactl",
  "sr0",
  "sr12",
  "sg5",
  "own"
]

/** Number of a display that no one has. */
const display = 7000 + process.pid % 1000

interface Opened {
  readonly device?: ReadonlyArray<string>
  readonly file?: ReadonlyArray<string>
  readonly socket?: ReadonlyArray<string>
}

/** What each permission shows in the guest, of all that the made-up host has. */
const opened = (app: Place, user: User): Readonly<Record<Permission, Opened>> => {
  const runtime = `/run/user/${user.uid}`
  return {
    home: user.uid === 0 ? {} : { file: [`${app.home}/mark`] },
    media: { file: ["/media/mark", "/mnt/mark", "/run/media/mark"] },
    audio: { device: ["/dev/snd/pcm0", "/dev/dsp"], socket: [`${runtime}/pulse/native`, `${runtime}/pipewire-0`] },
    wayland: { socket: [`${runtime}/wayland-7`] },
    xorg: { file: [`${app.directory}/runtime/xauthority`], socket: [`/tmp/.X11-unix/X${display}`] },
    dbus_user: { socket: [`${app.directory}/runtime/bus`] },
    dbus_system: { socket: ["/run/dbus/system_bus_socket"] },
    udev: { file: ["/run/udev/mark"] },
    usb: { device: ["/dev/bus/usb/001", "/dev/usb/hiddev0"] },
    input: { device: ["/dev/input/event0", "/dev/uinput"] },
    gpu: {
      device: ["/dev/dri/card0", "/dev/nvidia0", "/dev/nvidia17", "/dev/nvidia-caps/cap1", "/dev/nvidiactl"],
      file: ["/tmp/fim/run/host/usr/share/vulkan/icd.d/nvidia_icd.json"]
    },
    network: { file: ["/etc/resolv.conf"] },
    dev: { device: nodes.map((name) => `/dev/${name}`), file: ["/dev/shm/mark"] },
    shm: { file: ["/dev/shm/mark"] },
    optical: { device: ["/dev/sr0", "/dev/sr12", "/dev/sg5"] }
  }
}

/** Says of each of its words whether it can be used: a device gives a byte, a file says `mark`, a socket greets. */
const probe = `
use IO::Socket::UNIX;
for my $path (@ARGV) {
  my $text;
  if (-S $path) { my $peer = IO::Socket::UNIX->new(Peer => $path) or next; $text = <$peer>; print "socket " }
  elsif (-c $path) { open(my $file, '<', $path) or next; sysread($file, $text, 1) == 1 or next; print "device " }
  else { open(my $file, '<', $path) or next; $text = <$file> // ''; $text =~ /mark/ or next; print "file " }
  print "$path\\n";
}`

const listed = ({ device = [], file = [], socket = [] }: Opened): ReadonlyArray<string> => [
  ...device.map((path) => `device ${path}`),
  ...file.map((path) => `file ${path}`),
  ...socket.map((path) => `socket ${path}`)
]

const replaced = ["/etc", "/media", "/mnt", "/run", "/usr/share"]

/** A host that has something for every permission, and the variables that say where. */
const fullHost = Effect.fnUntraced(function*(app: Place) {
  const host = `${app.directory}/host`
  const runtime = `${app.directory}/runtime`
  const files = {
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/resolv.conf": "# mark\n",
    "/media/mark": "mark",
    "/mnt/mark": "mark",
    "/run/media/mark": "mark",
    "/run/udev/mark": "mark",
    "/usr/share/vulkan/icd.d/nvidia_icd.json": JSON.stringify({
      mark: "mark",
      ICD: { library_path: `${host}/driver/libGLX_nvidia.so.0` }
    }),
    "/driver/libGLX_nvidia.so.0": ""
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(`${host}${path}`), { recursive: true })
    writeFileSync(`${host}${path}`, text)
  }
  yield* socket(`${host}/run/dbus/system_bus_socket`)
  for (const name of ["pulse/native", "pipewire-0", "wayland-7", "bus"]) yield* socket(`${runtime}/${name}`)
  yield* socket(`/tmp/.X11-unix/X${display}`)
  writeFileSync(`${runtime}/xauthority`, "mark")
  writeFileSync(`${app.home}/mark`, "mark")
  const environment = {
    XDG_RUNTIME_DIR: runtime,
    WAYLAND_DISPLAY: "wayland-7",
    DISPLAY: `:${display}`,
    XAUTHORITY: `${runtime}/xauthority`,
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${runtime}/bus`
  }
  return { host, environment }
})

describe.each(users)("as $name, on a host that has everything", (user) => {
  scenario("each permission opens what its name says, and nothing else", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { image: "debian", copy: true })
      const { environment, host } = yield* fullHost(app)
      const expected = opened(app, user)
      const paths = [...new Set(permissionNames.flatMap((name) => Object.values(expected[name]).flat()))]
      const shown = Effect.fnUntraced(function*(permissions: string) {
        yield* succeeds(app, permissions === "" ? ["fim-perms", "clear"] : ["fim-perms", "set", permissions])
        // The mark in shared memory is made where /dev is made, by the one who runs the image.
        const words = [
          "sh",
          "-c",
          "echo mark > /dev/shm/mark; exec \"$@\"",
          "sh",
          app.image,
          "fim-exec",
          "perl",
          "-e",
          probe
        ]
        const [first = "", ...rest] = words
        const outcome = yield* runOnHost(app, host, [...rest, ...paths], {
          program: first,
          replaced,
          nodes,
          environment
        })
        assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""], permissions)
        return outcome.stdout.split("\n").filter((line) => line !== "").sort()
      })
      assert.deepStrictEqual(yield* shown(""), [])
      const all = [...new Set(permissionNames.flatMap((name) => listed(expected[name])))].sort()
      assert.deepStrictEqual(yield* shown("all"), all)
      // One user is enough for each by itself.
      if (user.uid === 0) return
      for (const name of permissionNames) {
        assert.deepStrictEqual(yield* shown(name), [...listed(expected[name])].sort(), name)
      }
      yield* app.isClean
    }), 180_000)
})

describe.each(users)("as $name", (user) => {
  scenario(
    "whoever asks is told what the host does not have, and the image runs all the same",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        yield* succeeds(app, ["fim-perms", "set", "wayland,xorg,dbus_user,input,dbus_system"])
        yield* succeeds(app, ["fim-bind", "add", "ro", "/nonexistent/source", "/target"])
        const environment = { DISPLAY: `:${display}`, XAUTHORITY: "/nonexistent/authority" }
        const quiet = yield* app.run(["fim-exec", "echo", "ran"], { environment })
        assert.deepStrictEqual([quiet.code, quiet.stdout, quiet.stderr], [0, "ran\n", ""])
        const told = yield* app.run(["fim-exec", "echo", "ran"], { environment: { ...environment, FIM_DEBUG: "1" } })
        assert.strictEqual(told.stdout, "ran\n")
        const lines = told.stderr.split("\n").map((line) => line.replace(/^D::[\d.]+::/, ""))
        assert.includeMembers(lines, [
          "Permission wayland: WAYLAND_DISPLAY is not set",
          "Permission dbus_user: DBUS_SESSION_BUS_ADDRESS names no socket with a path",
          `Permission xorg: the host has no '/tmp/.X11-unix/X${display}'`,
          "Permission xorg: the host has no '/nonexistent/authority'",
          "fim-bind: the host has no '/nonexistent/source'"
        ])
        assert.notInclude(told.stderr, "Permission home")
        yield* app.isClean
      })
  )

  scenario("what the caller cannot reach on the host is as if it were not there", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      symlinkSync("ring", `${app.home}/ring`)
      // Root passes through any directory.
      mkdirSync(`${app.directory}/closed`, { mode: 0o700 })
      writeFileSync(`${app.directory}/closed/authority`, "")
      const closed = user.uid === 0 ? "/nonexistent" : `${app.directory}/closed`
      const unreachable = [
        `${closed}/authority`,
        "/etc/passwd/authority",
        `${app.home}/ring/authority`,
        `/tmp/${"a".repeat(256)}`,
        `/tmp${"/a".repeat(2100)}`
      ]
      for (const source of unreachable) yield* succeeds(app, ["fim-bind", "add", "ro", source, "/target"])
      yield* succeeds(app, ["fim-perms", "set", "wayland,xorg,dbus_user,audio"])
      for (const path of unreachable.slice(0, 3)) {
        // As of another user, after `su`.
        const environment = {
          DISPLAY: `:${display}`,
          XAUTHORITY: path,
          WAYLAND_DISPLAY: "wayland-0",
          XDG_RUNTIME_DIR: path,
          DBUS_SESSION_BUS_ADDRESS: `unix:path=${path}`
        }
        assert.strictEqual(yield* succeeds(app, ["fim-exec", "echo", "ran"], environment), "ran\n")
      }
      yield* app.isClean
    }))

  scenario("what is bound where the guest has a link is seen behind the link", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const link =
        `${inGuestOnly}; mkdir -p /etc /usr/zones; echo own > /usr/zones/one; ln -s ../usr/zones/one /etc/zone`
      yield* succeeds(app, ["fim-root", "sh", "-c", `${link}; ln -s ring /etc/ring`])
      writeFileSync(`${app.home}/zone`, "host\n")
      yield* succeeds(app, ["fim-bind", "add", "ro", `${app.home}/zone`, "/etc/zone"])
      assert.strictEqual(yield* succeeds(app, ["fim-exec", "cat", "/etc/zone", "/usr/zones/one"]), "host\nhost\n")
      yield* succeeds(app, ["fim-bind", "del", "0"])
      assert.strictEqual(yield* succeeds(app, ["fim-exec", "cat", "/etc/zone"]), "own\n")
      // A ring of links leads nowhere: the bind is left out, and the image starts all the same.
      yield* succeeds(app, ["fim-bind", "add", "ro", `${app.home}/zone`, "/etc/ring"])
      const without = yield* app.run(["fim-exec", "true"])
      assert.strictEqual(without.code, 0)
      assert.match(without.stderr, /^W::The mount on '\/etc\/ring' is left out: [^\n]*in a circle\n$/)
      yield* app.isClean
    }))
})
