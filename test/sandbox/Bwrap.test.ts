import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { FilesystemController } from "../../src/mount/FilesystemController.ts"
import { Instance } from "../../src/mount/Instance.ts"
import { JanitorError } from "../../src/mount/Janitor.ts"
import { Portal } from "../../src/portal/Portal.ts"
import { Bwrap } from "../../src/sandbox/Bwrap.ts"
import { CallFilter } from "../../src/sandbox/CallFilter.ts"
import { HostParts, nothingFound } from "../../src/sandbox/HostParts.ts"
import { falseJanitor, surroundings } from "../support/FalseJanitor.ts"
import { Fault, faultyFiles, fullDisk } from "../support/Faults.ts"

const refused = (operation: string) => new JanitorError({ reason: "Refused", operation, detail: `no ${operation}` })

const ended = { code: 7, started: true, stays: false, damage: null }

/** Runs a program whose n-th call to the instance or to the file system fails. */
const run = Effect.fnUntraced(function*(fault: Fault, end: Partial<typeof ended> = {}) {
  const left: Array<string> = []
  const ask = <A>(name: string, answer: A) =>
    Effect.suspend(() => fault.isNext(name) ? Effect.fail(refused(name)) : Effect.succeed(answer))
  const instance = Layer.mock(Instance, {
    readRoot: () => ask("read-root", undefined),
    prepareRoot: ({ targets }) =>
      ask("prepare-root", { replaced: [], points: targets.map(({ path }) => ({ place: path })) }),
    run: () => ask("run", { ...ended, ...end }),
    leave: Effect.suspend(() => {
      left.push("leave")
      return ask("leave", undefined)
    })
  })
  const files = FileSystem.makeNoop({
    writeFile: () => Effect.void,
    writeFileString: () => Effect.void,
    makeDirectory: () => Effect.void
  })
  const layer = Bwrap.layer.pipe(
    Layer.provide(Layer.mergeAll(
      instance,
      Layer.mock(FilesystemController, {
        root: "/global/app/one/instance/7/mount",
        data: "/data",
        layers: [],
        shared: false,
        ownUsers: true,
        sharedUsers: undefined,
        hostBwrap: undefined
      }),
      Layer.succeed(Portal, { directory: "/p", host: "/p/host", guest: "/p/guest" }),
      Layer.mock(CallFilter, { plain: [[6, 0, 0, 0]], emulating: Effect.succeed(undefined) }),
      Layer.succeed(HostParts, nothingFound),
      Layer.succeed(FileSystem.FileSystem, faultyFiles(files, fault))
    )),
    Layer.provide(surroundings(yield* falseJanitor(), [], { uid: 1000 }))
  )
  const result = yield* Effect.result(
    Effect.flatMap(Bwrap, ({ run }) => run({ root: false, args: [Buffer.from("true")] })).pipe(Effect.provide(layer))
  )
  return { result, left }
})

describe("a program in the sandbox", () => {
  it.effect("gives its exit code, and leaves what it has left running", () =>
    Effect.gen(function*() {
      const { left, result } = yield* run(new Fault(0))
      assert.isTrue(result._tag === "Success" && result.success === 7)
      assert.deepStrictEqual(left, [])
      const staying = yield* run(new Fault(0), { stays: true })
      assert.isTrue(staying.result._tag === "Success")
      assert.deepStrictEqual(staying.left, ["leave"])
    }))

  it.effect("does not run where the sandbox could not be made", () =>
    Effect.gen(function*() {
      const { result } = yield* run(new Fault(0), { started: false })
      assert.isTrue(result._tag === "Failure" && result.failure.reason === "Sandbox")
    }))

  it.effect("fails with the cause, whichever request or write fails, and does not run after that", () =>
    Effect.gen(function*() {
      const failed: Array<string> = []
      for (let n = 1; n < 100; n++) {
        const fault = new Fault(n)
        const { result } = yield* run(fault, { stays: true })
        if (!fault.isReached) break
        const name = fault.calls[n - 1] ?? ""
        if (result._tag === "Success") {
          // What is looked for on the host may be missing there, and the exit code counts more than those that live on.
          assert.notInclude(["prepare-root", "run", "writeFile", "writeFileString"], name)
          continue
        }
        failed.push(name)
        const { cause, message, reason } = result.failure
        assert.strictEqual(reason, name === "run" ? "Sandbox" : "Files", name)
        assert.strictEqual(message, name.startsWith("writeFile") ? fullDisk.message : `no ${name}`)
        assert.strictEqual((cause as Error).message, message)
        assert.notInclude(fault.calls.slice(n), "run", name)
      }
      assert.includeMembers(failed, ["writeFile", "writeFileString", "read-root", "prepare-root", "run"])
    }))
})
