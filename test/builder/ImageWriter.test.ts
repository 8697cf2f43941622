import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { ImageWriter, type Parts } from "../../src/builder/ImageWriter.ts"
import { newReservedSpace } from "../../src/builder/Reserved.ts"
import { Inspector } from "../../src/image/Inspect.ts"
import * as Manifest from "../../src/image/Manifest.ts"
import { smallLauncher, smallLayer, smallTools } from "../image/SmallImage.ts"
import * as Platform from "../support/Platform.ts"

const TestLayer = Layer.mergeAll(ImageWriter.layer, Inspector.layer).pipe(Layer.provideMerge(Platform.layer))

const silent = () => Effect.void

/** Parts of a small image in a directory of their own. */
const setUp = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const from = yield* fs.makeTempDirectoryScoped()
  const to = yield* fs.makeTempDirectoryScoped()
  const { packed, table } = smallTools()
  const half = packed.length >> 1
  yield* fs.writeFile(`${from}/head`, Buffer.concat([smallLauncher(), Buffer.from("appended by somebody")]))
  yield* fs.writeFile(`${from}/tool.1`, packed.subarray(0, half))
  yield* fs.writeFile(`${from}/tool.2`, packed.subarray(half))
  yield* fs.writeFile(`${from}/lower`, smallLayer("lower"))
  yield* fs.writeFile(`${from}/upper`, smallLayer("upper"))
  const parts: Parts = {
    head: `${from}/head`,
    table: Result.getOrThrow(Manifest.encode(table)),
    tools: [[`${from}/tool.1`, `${from}/tool.2`]],
    reserved: yield* newReservedSpace("DEBIAN"),
    layers: [`${from}/lower`, `${from}/upper`]
  }
  return { from, to, parts, image: `${to}/app.flatimage` }
})

it.layer(TestLayer)("an image", (it) => {
  it.effect("is written so that it is sound, executable and of the size that is said", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { image, parts, to } = yield* setUp
      const told: Array<number> = []
      const written = yield* (yield* ImageWriter).write(image, parts, (done) => Effect.sync(() => void told.push(done)))
      const info = yield* fs.stat(image)
      assert.strictEqual(Number(info.size), written.size)
      assert.strictEqual(info.mode & 0o777, 0o755)
      assert.strictEqual(told.at(-1), written.size)
      assert.deepStrictEqual(yield* fs.readDirectory(to), ["app.flatimage"])
      const found = yield* (yield* Inspector).inspect(image)
      assert.deepStrictEqual(found.problems, [])
      assert.strictEqual(found.parts.find((part) => part.name === "reserved space")?.offset, written.reservedOffset)
    }))

  it.effect("replaces an older one, also one that is running", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { image, parts } = yield* setUp
      yield* fs.copyFile("/bin/sleep", image)
      yield* fs.chmod(image, 0o755)
      const running = spawn(image, ["30"])
      yield* Effect.promise(() => once(running, "spawn"))
      yield* (yield* ImageWriter).write(image, parts, silent)
      running.kill()
      assert.deepStrictEqual((yield* (yield* Inspector).inspect(image)).problems, [])
    }))

  it.effect("is not written in place of a directory, nor from a launcher without the section", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { from, image, parts, to } = yield* setUp
      const writer = yield* ImageWriter
      const launcher = smallLauncher()
      launcher.write("x", launcher.indexOf(".fim_reserved_offset"))
      yield* fs.writeFile(`${from}/other`, launcher)
      const other = yield* Effect.flip(writer.write(image, { ...parts, head: `${from}/other` }, silent))
      assert.strictEqual(other.reason._tag, "BadBinary")
      const layer = yield* Effect.flip(writer.write(image, { ...parts, layers: [`${from}/none`] }, silent))
      assert.match(layer.message, /none: no such file or directory/)
      assert.deepStrictEqual(yield* fs.readDirectory(to), [])
      yield* fs.makeDirectory(image)
      assert.match((yield* Effect.flip(writer.write(image, parts, silent))).message, /it exists and is not a file/)
    }))
})

it.layer(TestLayer)("an interrupted build", (it) => {
  it.effect("leaves the old file and nothing else, at whatever step it is interrupted", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { image, parts, to } = yield* setUp
      const writer = yield* ImageWriter
      yield* fs.writeFileString(image, "old")
      const steps = yield* Ref.make(0)
      yield* writer.write(`${to}/counted`, parts, () => Ref.update(steps, (count) => count + 1))
      yield* fs.remove(`${to}/counted`)
      const all = yield* Ref.get(steps)
      assert.isAbove(all, 8)
      for (let step = 1; step <= all; step++) {
        const reached = yield* Deferred.make<void>()
        const count = yield* Ref.make(0)
        const fiber = yield* Effect.forkChild(
          writer.write(image, parts, () =>
            Effect.gen(function*() {
              if ((yield* Ref.updateAndGet(count, (before) => before + 1)) < step) return
              yield* Deferred.succeed(reached, undefined)
              return yield* Effect.never
            }))
        )
        yield* Deferred.await(reached)
        assert.lengthOf(yield* fs.readDirectory(to), 2)
        yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
        assert.deepStrictEqual(yield* fs.readDirectory(to), ["app.flatimage"], `step ${step}`)
        assert.strictEqual(yield* fs.readFileString(image), "old")
      }
    }))

  it.effect("that was killed leaves a hidden name, which the next build removes", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { image, parts, to } = yield* setUp
      // The number of a process that has ended, and that of one which runs: ours.
      const ended = spawn("true")
      yield* Effect.promise(() => once(ended, "exit"))
      yield* fs.makeDirectory(`${to}/.app.flatimage.${ended.pid}-01aBcD/new`, { recursive: true })
      // Of another build that runs, and of another image.
      yield* fs.makeDirectory(`${to}/.app.flatimage.1-01aBcD`)
      yield* fs.makeDirectory(`${to}/.other.flatimage.${ended.pid}-01aBcD`)
      yield* (yield* ImageWriter).write(image, parts, silent)
      assert.deepStrictEqual((yield* fs.readDirectory(to)).toSorted(), [
        ".app.flatimage.1-01aBcD",
        `.other.flatimage.${ended.pid}-01aBcD`,
        "app.flatimage"
      ])
    }))
})

/** The file system of the machine, in which the n-th write or change of a name fails. */
const failing = (n: number) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const calls = yield* Ref.make(0)
      const fault = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
        Effect.flatMap(Ref.updateAndGet(calls, (count) => count + 1), (call) =>
          call === n
            ? Effect.fail(
              PlatformError.systemError({
                _tag: "Unknown",
                module: "FileSystem",
                method: "write",
                cause: new Error("ENOSPC: no space left on device")
              })
            )
            : effect)
      return FileSystem.FileSystem.of({
        ...fs,
        rename: (from, to) => fault(fs.rename(from, to)),
        chmod: (path, mode) => fault(fs.chmod(path, mode)),
        open: (path, options) =>
          fault(Effect.map(fs.open(path, options), (file) => ({
            ...file,
            stat: file.stat,
            sync: fault(file.sync),
            seek: (offset, from) => file.seek(offset, from),
            read: (buffer, options) => file.read(buffer, options),
            readAlloc: (size, options) => file.readAlloc(size, options),
            truncate: (length) => file.truncate(length),
            write: (bytes) => file.write(bytes),
            writeAll: (bytes) => fault(file.writeAll(bytes))
          })))
      })
    })
  )

describe("a full disk", () => {
  it.effect("leaves nothing, whichever call finds it full", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { image, parts, to } = yield* setUp
      let failures = 0
      for (let call = 1; call < 40; call++) {
        const write = Effect.flatMap(ImageWriter, (writer) => writer.write(image, parts, silent))
        const result = yield* Effect.result(
          Effect.provide(write, ImageWriter.layer.pipe(Layer.provide(failing(call))), { local: true })
        )
        if (Result.isSuccess(result)) break
        failures++
        assert.match(result.failure.message, /no space left on device/)
        const left = yield* fs.readDirectory(to)
        // After the name has changed only the directory is synced: the image is there, and whole.
        if (left.length > 0) {
          assert.deepStrictEqual(left, ["app.flatimage"])
          assert.deepStrictEqual((yield* (yield* Inspector).inspect(image)).problems, [])
          yield* fs.remove(image)
        }
      }
      assert.isAbove(failures, 10)
    }).pipe(Effect.provide(TestLayer)))
})
