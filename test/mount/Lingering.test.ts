import { assert, describe, it } from "@effect/vitest"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import * as Result from "effect/Result"
import { refusalOf, type Surroundings } from "../../src/mount/Lingering.ts"
import { parse } from "../../src/mount/LingerTime.ts"
import { deviceNumbers, isRemovable, sourceOf } from "../../src/mount/Removable.ts"

const refused = (change: Partial<Surroundings>, time = usual) => refusalOf({ ...alone, ...change }, time)

describe("FIM_LINGER", () => {
  it("is a number of seconds up to a day", () => {
    assert.deepStrictEqual(parse(undefined), Result.succeed({ seconds: 60, isChosen: false }))
    assert.deepStrictEqual(parse(""), Result.succeed({ seconds: 60, isChosen: false }))
    for (const seconds of [0, 1, 60, 86_400]) {
      assert.deepStrictEqual(parse(String(seconds)), Result.succeed({ seconds, isChosen: true }))
    }
    for (const text of ["-1", "+1", "1.5", "1e3", "0x10", " 1", "86401", "999999", "1000000", "x", "Infinity"]) {
      assert.isTrue(Result.isFailure(parse(text)), text)
    }
  })

  it("that is nonsense is printed as one line", () => {
    const said = Result.flip(parse("\u001b[2J\n"))
    assert.deepStrictEqual(
      said,
      Result.succeed("FIM_LINGER is '\\x1b[2J\\n', but must be a number of seconds from 0 to 86400")
    )
  })
})

const usual = { seconds: 60, isChosen: false }
const chosen = { seconds: 60, isChosen: true }
const alone: Surroundings = { uid: 1000, environment: {}, groups: "0::/\n", isMarked: false }

describe("layers may linger", () => {
  it("of a user's session, and of what he starts in scopes of his manager", () => {
    for (
      const group of [
        "/user.slice/user-1000.slice/session-3.scope",
        "/user.slice/user-1000.slice/user@1000.service/init.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-7.scope",
        "/"
      ]
    ) {
      assert.isUndefined(refusalOf({ ...alone, groups: `0::${group}\n` }, usual), group)
    }
    // Terminals inherit it from the service that has started them.
    const groups = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n"
    assert.isUndefined(refusalOf({ ...alone, groups, environment: { INVOCATION_ID: "7" } }, usual))
    assert.isUndefined(refusalOf({ ...alone, environment: { CI: "false" } }, usual))
  })

  it("not in services, jobs and containers, not in continuous integration, and not of root", () => {
    assert.strictEqual(refused({}, { seconds: 0, isChosen: true }), "FIM_LINGER is 0")
    assert.strictEqual(refused({ uid: 0 }), "root has started it")
    for (
      const group of [
        "/system.slice/cron.service",
        "/system.slice/app.service/inner",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service"
      ]
    ) {
      assert.strictEqual(refused({ groups: `12:memory:/\n0::${group}\n` }), "this is a service", group)
    }
    assert.strictEqual(refused({ environment: { INVOCATION_ID: "7" } }), "this is a service")
    assert.strictEqual(refused({ environment: { SLURM_JOB_ID: "7" } }), "this is a job of Slurm")
    const step = "/system.slice/slurmstepd.scope/job_7/step_0/user/task_0"
    assert.strictEqual(refused({ groups: `0::${step}\n` }), "this is a job of Slurm")
    assert.strictEqual(refused({ groups: "4:memory:/slurm/uid_1000/job_7/step_0\n" }), "this is a job of Slurm")
    assert.strictEqual(refused({ environment: { CI: "true" } }), "this is continuous integration")
    assert.strictEqual(refused({ environment: { container: "podman" } }), "this is a container")
    assert.strictEqual(refused({ isMarked: true }), "this is a container")
  })

  it("in a container and in continuous integration if the caller has said so, and nowhere else", () => {
    assert.isUndefined(refusalOf({ ...alone, isMarked: true, environment: { CI: "1", container: "oci" } }, chosen))
    for (const change of [{ uid: 0 }, { groups: "0::/x.service\n" }, { environment: { SLURM_JOBID: "7" } }]) {
      assert.isDefined(refusalOf({ ...alone, ...change }, chosen))
    }
  })
})

const missing = (path: string) =>
  PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "read", pathOrDescriptor: path })

const get = (of: Readonly<Record<string, string>>) => (path: string) => {
  const found = of[path]
  return found === undefined ? Effect.fail(missing(path)) : Effect.succeed(found)
}

/** A host with a file on the device 8:1, and what `/sys` says of it. */
const hostWith = (texts: Readonly<Record<string, string>>, links: Readonly<Record<string, string>>, dev = 0x801n) => {
  return FileSystem.makeNoop({
    stat: () =>
      Effect.succeed({
        type: "File",
        dev,
        mode: 0,
        size: ByteSize.bytes(0n),
        mtime: Option.none(),
        atime: Option.none(),
        birthtime: Option.none(),
        ino: Option.none(),
        nlink: Option.none(),
        uid: Option.none(),
        gid: Option.none(),
        rdev: Option.none(),
        blksize: Option.none(),
        blocks: Option.none()
      }),
    readFileString: get(texts),
    realPath: get(links),
    readDirectory: (path) => {
      const names = Object.keys(links).filter((link) => link.startsWith(`${path}/`)).map((link) =>
        link.slice(path.length + 1)
      )
      return names.length === 0 ? Effect.fail(missing(path)) : Effect.succeed(names)
    }
  })
}

const link = (path: string) => ({ "/sys/dev/block/8:1": path })
const partition = (path: string) => ({ [`${path}/sda1/partition`]: "1\n" })
const asked = (fs: FileSystem.FileSystem) => isRemovable(fs, "/image")

describe("a medium", () => {
  const disk = "/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda"
  const plugged = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/block/sdb"

  it.effect("can be pulled out if the disk of the partition says so, or hangs on a cable", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* asked(hostWith({ [`${disk}/removable`]: "0\n", ...partition(disk) }, link(`${disk}/sda1`))))
      assert.isTrue(yield* asked(hostWith({ [`${disk}/removable`]: "1\n", ...partition(disk) }, link(`${disk}/sda1`))))
      assert.isTrue(yield* asked(hostWith({ [`${plugged}/removable`]: "0\n" }, link(plugged))))
      assert.isTrue(yield* asked(hostWith({ [`${disk}/device/type`]: "SD\n" }, link(disk))))
      assert.isFalse(yield* asked(hostWith({ [`${disk}/device/type`]: "MMC\n" }, link(disk))))
      assert.isFalse(yield* asked(hostWith({}, {})), "nothing is known")
    }))

  it.effect("is looked for below encryption, and behind file systems without a device of their own", () =>
    Effect.gen(function*() {
      const mapped = "/sys/devices/virtual/block/dm-0"
      const links = { ...link(mapped), [`${mapped}/slaves/sdb1`]: `${plugged}/sdb1` }
      assert.isTrue(yield* isRemovable(hostWith({}, links), "/image"))
      const circle = { ...link(mapped), [`${mapped}/slaves/dm-0`]: mapped }
      assert.isFalse(yield* isRemovable(hostWith({}, circle), "/image"))
      const mounts = "30 1 0:25 /sub /media rw - btrfs /dev/mapper/x rw\n"
      const behind = { "/dev/mapper/x": "/dev/dm-0", "/sys/class/block/dm-0": mapped, ...links }
      const fs = hostWith({ "/proc/self/mountinfo": mounts }, behind, 0x19n)
      assert.isTrue(yield* isRemovable(fs, "/image"))
    }))

  it("has numbers as the C library packs them", () => {
    assert.deepStrictEqual(deviceNumbers(0x801n), [8n, 1n])
    assert.deepStrictEqual(deviceNumbers(0x1234_5678_9abc_def0n), [0x1234_5cden, 0x6789_abf0n])
    assert.strictEqual(sourceOf("1 2 0:9 / /a rw - tmpfs tmpfs rw\n", "0:9"), undefined)
  })
})
