import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { Host } from "../../src/relocate/Host.ts"
import { Relocate } from "../../src/relocate/Relocate.ts"
import type { Examine } from "../../src/relocate/TrustedDirectory.ts"
import { Fault, faultyFiles } from "../support/Faults.ts"
import { hostWith } from "../support/Host.ts"
import * as Platform from "../support/Platform.ts"

const variables = {
  FIM_BIN_SELF: "/images/my.app",
  FIM_DIR_APP: "/global/app/one",
  FIM_OFFSET: "4096",
  FIM_VERSION: "0.1.0",
  FIM_COMMIT: "one",
  FIM_TIMESTAMP: "20260102030405",
  FIM_DIR_GLOBAL: "/global"
}

const relocated = (environment: Readonly<Record<string, string | undefined>>) =>
  Effect.provide(Relocate, Layer.provide(Relocate.layer, [hostWith(environment, process.getuid?.()), Platform.layer]))

describe("the image that runs", () => {
  it.effect("is known by the variables of its head", () =>
    Effect.gen(function*() {
      const { directories, image, loader, reservedOffset } = yield* relocated(variables)
      assert.deepStrictEqual([image, reservedOffset, loader], [
        "/images/my.app",
        4096,
        "/global/app/one/lib/ld-linux-x86-64.so.2"
      ])
      assert.strictEqual(directories.instance, "/global/app/one/instance/7")
    }))

  it.effect.each(Object.keys(variables))(
    "is none without %s, or where that is empty",
    (name) =>
      Effect.gen(function*() {
        for (const value of [undefined, ""]) {
          const error = yield* Effect.flip(relocated({ ...variables, [name]: value }))
          assert.strictEqual(error.reason, "NotAnImage")
          assert.include(error.message, `which sets ${name}`)
        }
      })
  )
})

/** The janitor's part: it judges directories, and makes those of a data directory. */
const examineBy = (fs: FileSystem.FileSystem): Examine => (path, purpose) =>
  Effect.gen(function*() {
    const verdict = { usable: true, notable: false, reason: null, remedy: null }
    if (purpose === "make") yield* fs.makeDirectory(path)
    if (purpose === "make" || purpose === "rooms") {
      for (const room of ["data", "work", "layers", "tmp"]) {
        yield* fs.makeDirectory(`${path}/${room}`, { recursive: true })
      }
    }
    return verdict
  })

const identified = { identity: "0123456789abcdef0123456789abcdef" }

describe("the data directory", () => {
  it.live("is whole or not there, whichever call of the file system fails, and the next start has it", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      let failures = 0
      for (let n = 1; n < 100; n++) {
        const done = yield* Effect.scoped(Effect.gen(function*() {
          const directory = yield* fs.makeTempDirectoryScoped({ prefix: "relocate-" })
          const image = `${directory}/my.app`
          yield* fs.writeFileString(image, "")
          const data = Effect.fnUntraced(function*(fault: Fault) {
            const relocate = Relocate.layer.pipe(
              Layer.provide(Layer.succeed(FileSystem.FileSystem, faultyFiles(fs, fault))),
              Layer.provide(Layer.mock(Host, {
                environment: { ...variables, FIM_BIN_SELF: image, HOME: directory },
                pid: 7,
                uid: process.getuid?.() ?? 0,
                gid: 0,
                architecture: "x64",
                directory: "/",
                args: []
              })),
              Layer.provide(Platform.layer)
            )
            return yield* Effect.result(
              Effect.flatMap(Relocate, ({ data }) => data(identified, examineBy(fs))).pipe(Effect.provide(relocate))
            )
          })
          const fault = new Fault(n)
          const first = yield* data(fault)
          if (first._tag === "Failure") {
            failures++
            assert.strictEqual(first.failure.reason, "DataDirectory")
            assert.isAbove(first.failure.message.length, 10)
          }
          const names = (yield* fs.readDirectory(directory)).filter((name) => name !== "my.app")
          // Nothing but a whole data directory, and the way to that of the home.
          for (const name of names) {
            assert.include([".my.app.data", ".local"], name, `call ${n}, ${fault.calls.at(n - 1)}`)
          }
          const second = yield* data(new Fault(Infinity))
          assert.isTrue(second._tag === "Success", `call ${n}`)
          if (second._tag === "Success") {
            assert.deepStrictEqual(
              (yield* fs.readDirectory(second.success)).toSorted(),
              ["data", "image.json", "layers", "tmp", "work"],
              `call ${n}, ${fault.calls.at(n - 1)}`
            )
          }
          return !fault.isReached
        }))
        if (done) break
        assert.isBelow(n, 90)
      }
      assert.isAbove(failures, 0)
    }).pipe(Effect.provide(Platform.layer)))
})
