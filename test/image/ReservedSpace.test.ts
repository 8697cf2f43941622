import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll } from "vitest"
import { journal, reservedSize, slots } from "../../src/image/ReservedLayout.ts"
import { ReservedSpace } from "../../src/image/ReservedSpace.ts"
import { ReservedSpaceError } from "../../src/image/ReservedSpaceError.ts"
import type { Fields } from "../../src/image/Settings.ts"
import { defaults } from "../../src/image/SettingsDefaults.ts"
import * as Platform from "../support/Platform.ts"
import { imageOf, patcher, planOf, recoveryOf, reservedOffset, slotOf } from "./ReservedSpaceFixture.ts"

const directory = mkdtempSync(join(tmpdir(), "flatimage-reserved-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

let count = 0
const imageFile = (bytes: Uint8Array = imageOf()): string => {
  const path = join(directory, `image-${count++}`)
  writeFileSync(path, bytes)
  return path
}

const layerOf = (path: string, options: Partial<{ patcher: string; wait: number; offset: number }> = {}) =>
  ReservedSpace.layer({ path, offset: reservedOffset, patcher: patcher(), ...options }).pipe(
    Layer.provide(Platform.layer)
  )

const on = <A, E, R>(path: string, use: (space: ReservedSpace["Service"]) => Effect.Effect<A, E, R>, options = {}) =>
  ReservedSpace.use(use).pipe(Effect.provide(layerOf(path, options)))

const everyField: Fields = {
  permissions: ["gpu", "home"],
  notify: true,
  overlay: "overlayfs",
  casefold: true,
  desktop: { name: "app", categories: ["Game"], integrations: ["ENTRY"] },
  boot: { program: "sh", args: ["-c", "echo $0"] },
  icon: { extension: "jpeg", data: Uint8Array.of(1, 0, 2) },
  environment: { A: "é😀", B: "x".repeat(10_000) },
  bindings: [{ type: "dev", src: "$HOME", dst: "/h" }],
  remote: "https://example.org",
  unshare: ["ipc", "pid"],
  extension: { distribution: "DEBIAN", portal: ["*"] }
}

describe("ReservedSpace", () => {
  it.live("reads the defaults out of a new image", () =>
    on(
      imageFile(),
      Effect.fnUntraced(function*(space) {
        const { icon: _, ...settings } = defaults
        assert.deepStrictEqual(yield* space.snapshot, { settings, warnings: [] })
        assert.deepStrictEqual(yield* space.everything, { settings: defaults, warnings: [] })
      })
    ))

  it.live("writes every field, and all at once", () => {
    const [one, other] = [imageFile(), imageFile()]
    return Effect.gen(function*() {
      yield* on(
        one,
        (space) =>
          Effect.forEach(
            Object.keys(everyField) as Array<keyof Fields>,
            (field) => space.write(field, everyField[field] as never)
          )
      )
      yield* on(other, (space) => space.writeAll(everyField))
      assert.deepStrictEqual((yield* on(one, (space) => space.everything)).settings, everyField)
      const [left, right] = [one, other].map((path) =>
        readFileSync(path).fill(0, reservedOffset + journal.offset, reservedOffset + reservedSize)
      )
      assert.isTrue(left!.equals(right!))
      assert.isTrue(left!.equals(imageOf(everyField)))
    })
  })

  it.live("names a damaged field and reads the others", () => {
    const bytes = imageOf(everyField)
    bytes[reservedOffset + slots.overlay.offset] = 9
    bytes[reservedOffset + slots.environment.offset] = 0xff
    return on(
      imageFile(bytes),
      Effect.fnUntraced(function*(space) {
        const { settings, warnings } = yield* space.snapshot
        assert.deepStrictEqual(warnings, [
          "The field 'overlay' is damaged and reads as its default: 9 is not an overlay type",
          "The field 'environment' is damaged and reads as its default: it is not UTF-8"
        ])
        assert.strictEqual(settings.overlay, "bwrap")
        assert.deepStrictEqual(settings.environment, {})
        assert.deepStrictEqual(settings.permissions, everyField.permissions)
        assert.deepStrictEqual(settings.bindings, everyField.bindings)
        const logged: Array<unknown> = []
        yield* space.read("overlay").pipe(
          Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(message))]))
        )
        assert.include(String(logged), "The field 'overlay' is damaged")
        const error = yield* Effect.flip(space.update("environment", (current) => ({ ...current, A: "b" })))
        assert.include(error.message, "'fim-env clear' resets it")
        yield* space.write("environment", {})
        assert.deepStrictEqual(yield* space.update("environment", () => ({ A: "b" })), { A: "b" })
      })
    )
  })

  it.live("refuses what does not fit, and changes nothing", () => {
    const path = imageFile()
    const before = readFileSync(path)
    return on(
      path,
      Effect.fnUntraced(function*(space) {
        const error = yield* Effect.flip(space.update("environment", () => ({ A: "x".repeat(slots.environment.size) })))
        assert.strictEqual(
          error.message,
          "Not enough space to fit json data: 'environment' is 1048584 bytes, 1048575 bytes fit"
        )
        assert.strictEqual(error.reason._tag, "NoRoom")
        assert.strictEqual((yield* Effect.flip(space.writeAll({ notify: true, remote: "\0" }))).reason._tag, "Invalid")
        assert.isTrue(readFileSync(path).equals(before))
      })
    )
  })

  it.live("reads a pending record, and the next writer finishes it", () => {
    const image = imageOf({ environment: { A: "old" } })
    const [record] = planOf(image, { environment: { A: "x".repeat(9_000) } })
    const [write] = record?._tag === "Write" ? record.writes : []
    image.set(write!.bytes, write!.offset)
    const path = imageFile(image)
    return on(
      path,
      Effect.fnUntraced(function*(space) {
        assert.deepStrictEqual(yield* space.read("environment"), { A: "x".repeat(9_000) })
        yield* space.write("notify", true)
        const done = readFileSync(path)
        assert.isUndefined(recoveryOf(done).pending)
        const { offset, size } = slots.environment
        assert.isTrue(
          done.subarray(reservedOffset + offset, reservedOffset + offset + size).equals(
            slotOf("environment", { A: "x".repeat(9_000) })
          )
        )
      })
    )
  })

  it.live("says what to do about a file that cannot be written", () => {
    const patchStub = join(directory, "stub")
    const failing = (answer: string) => {
      writeFileSync(patchStub, `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 })
      return on(imageFile(), (space) => Effect.flip(space.write("notify", true)), { patcher: patchStub })
    }
    return Effect.gen(function*() {
      for (
        const [errno, text] of [[13, "Permission denied"], [30, "Read-only file system"], [
          1,
          "Operation not permitted"
        ]] as const
      ) {
        const error = yield* failing(JSON.stringify({ error: `${text} (os error ${errno})`, errno }))
        assert.strictEqual(error.reason._tag, "ReadOnly")
        assert.match(error.message, new RegExp(`^Cannot write the settings of '.*image-.*': ${text}\\. Make the file`))
      }
      assert.include((yield* failing("{\"error\":\"x\",\"errno\":26}")).message, "started again and again")
      assert.include((yield* failing("{\"error\":\"x\",\"errno\":110}")).message, "held its lock for 60 seconds")
      assert.match(
        (yield* failing("{\"error\":\"No space left on device (os error 28)\",\"errno\":28}")).message,
        /: No space left on device$/
      )
      assert.include((yield* failing("nonsense")).message, "nonsense")
      assert.include(
        (yield* on(imageFile(), (space) => Effect.flip(space.write("notify", true)), { patcher: "/nonexistent" }))
          .message,
        "nonexistent"
      )
    })
  })

  it.live("a file that cannot be written is read all the same, and says so to a writer", () => {
    const path = imageFile(imageOf({ boot: { program: "sh", args: [] } }))
    chmodSync(path, 0o444)
    const root = process.getuid?.() === 0
    // As nobody, who may read it: the native half gives up root before it opens the file.
    const native = root ? join(directory, "as-nobody") : patcher()
    if (root) {
      chmodSync(directory, 0o755)
      writeFileSync(native, `#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups -- ${patcher()} "$@"\n`, {
        mode: 0o755
      })
    }
    return on(
      path,
      Effect.fnUntraced(function*(space) {
        assert.deepStrictEqual(yield* space.read("boot"), { program: "sh", args: [] })
        const error = yield* Effect.flip(space.write("notify", true))
        assert.strictEqual(error.reason._tag, "ReadOnly")
        assert.include(error.message, "Permission denied. Make the file and its file system writable, or copy")
        assert.isFalse(yield* space.read("notify"))
      }),
      { patcher: native }
    )
  })

  it.live("fails for files that are missing or cut off", () =>
    Effect.gen(function*() {
      assert.instanceOf(yield* Effect.flip(on(join(directory, "none"), (space) => space.snapshot)), ReservedSpaceError)
      const end = reservedOffset + reservedSize
      // Inside the settings, and before they begin.
      for (const size of [5_000, 10]) {
        const error = yield* Effect.flip(on(imageFile(imageOf().subarray(0, size)), (space) => space.snapshot))
        const sizes = `has ${size} bytes, and its settings alone end at byte ${end}: it is not a whole image, ${
          end - size
        } `
        assert.include(error.message, sizes)
      }
    }))

  it.live("gives up on a lock that is held, after the time it was told", () => {
    const path = imageFile()
    const holder = spawn("flock", [path, "sleep", "60"], { stdio: ["ignore", "ignore", "ignore"], detached: true })
    return Effect.gen(function*() {
      while (!locked(path)) yield* Effect.sleep(5)
      const error = yield* Effect.flip(on(path, (space) => space.write("notify", true), { wait: 1 }))
      assert.strictEqual(error.reason._tag, "Busy")
      assert.include(error.message, "held its lock for 1 seconds")
    }).pipe(Effect.ensuring(Effect.sync(() => process.kill(-holder.pid!, "SIGKILL"))))
  })

  it.live("writes to the file that has the name, should it be replaced", () => {
    const path = imageFile()
    const other = imageFile(imageOf({ boot: { program: "other", args: [] } }))
    return on(
      path,
      Effect.fnUntraced(function*(space) {
        yield* space.write("notify", true)
        renameSync(other, path)
        yield* space.write("casefold", true)
        const { settings } = yield* space.snapshot
        assert.deepStrictEqual([settings.notify, settings.casefold, settings.boot.program], [false, true, "other"])
      })
    )
  })

  it.live("appends nothing while another writes", () => {
    const path = imageFile()
    return on(
      path,
      Effect.fnUntraced(function*(space) {
        const inside = yield* space.exclusively(Effect.sync(() => locked(path)))
        assert.isTrue(inside)
        assert.isFalse(locked(path))
      })
    )
  })
})

const locked = (path: string): boolean => {
  try {
    execFileSync("flock", ["-n", path, "true"], { stdio: "ignore" })
    return false
  } catch {
    return true
  }
}

/** One file instead of three hundred modules, which loads sooner. */
const program = (() => {
  const source = fileURLToPath(new URL("ReservedSpace.addVariable.ts", import.meta.url))
  const rolldown = fileURLToPath(new URL("../../node_modules/.bin/rolldown", import.meta.url))
  const bundle = join(directory, "add.mjs")
  execFileSync(rolldown, [source, "--platform", "node", "--no-code-splitting", "--file", bundle], { stdio: "ignore" })
  return bundle
})()

const add = (path: string, offset: number, name: string, value = "x".repeat(50)): ChildProcess =>
  spawn(process.execPath, [program, path, String(offset), patcher(), name, value], {
    stdio: ["ignore", "inherit", "inherit"],
    detached: true
  })

const valueOf = (index: number) => String.fromCharCode(97 + index % 26).repeat(4_000 + index * 211)

const ended = (child: ChildProcess) => {
  const exit = once(child, "exit")
  return Effect.promise(() => exit.then(([code]) => code as number | null))
}

describe("many processes", () => {
  it.live("that each add a variable lose none, while the image is started again and again", () => {
    const head = readFileSync("/bin/true")
    const path = imageFile(imageOf({}, head))
    chmodSync(path, 0o755)
    const starts = { done: 0, busy: 0, other: 0 }
    const writers = { running: true }
    return Effect.gen(function*() {
      const loop = Effect.gen(function*() {
        while (writers.running) {
          const { error } = spawnSync(path, { stdio: "ignore" })
          starts[error === undefined ? "done" : "code" in error && error.code === "ETXTBSY" ? "busy" : "other"]++
          yield* Effect.sleep(0)
        }
      })
      const starter = yield* Effect.forkChild(loop)
      const codes = yield* Effect.all(
        Array.from({ length: 100 }, (_, index) => ended(add(path, head.length, `V${index}`))),
        { concurrency: "unbounded" }
      )
      writers.running = false
      yield* Fiber.join(starter)
      assert.deepStrictEqual(codes.filter((code) => code !== 0), [])
      const environment = yield* on(path, (space) => space.read("environment"), { offset: head.length })
      assert.strictEqual(Object.keys(environment).length, 100)
      assert.strictEqual(starts.other, 0)
      assert.isAbove(starts.done, 0)
      assert.strictEqual(statSync(path).size, head.length + reservedSize + 14)
    })
  }, 180_000)

  it.live("that are killed at any time leave the old or the new", () =>
    Effect.gen(function*() {
      const path = imageFile()
      let expected = ""
      for (let index = 0; index < 24; index++) {
        const next = valueOf(index)
        const child = add(path, reservedOffset, "A", next)
        const end = ended(child)
        // Not a clock: so many reads, each of which has to see one of the two.
        for (let read = 0; read < index * 6; read++) {
          const seen = (yield* on(path, (space) => space.read("environment")))["A"] ?? ""
          assert.isTrue(seen === expected || seen === next)
        }
        // Its group has the writing half in it.
        yield* Effect.sync(() => process.kill(-child.pid!, "SIGKILL")).pipe(Effect.ignoreCause)
        yield* end
        const seen = (yield* on(path, (space) => space.read("environment")))["A"] ?? ""
        assert.isTrue(seen === expected || seen === next)
        expected = seen
      }
      yield* on(path, (space) => space.write("notify", true))
      assert.isUndefined(recoveryOf(readFileSync(path)).pending)
      assert.isNotEmpty(expected)
    }), 180_000)
})
