import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { FilesystemController } from "../../src/mount/FilesystemController.ts"
import { Instance } from "../../src/mount/Instance.ts"
import { Janitor, JanitorError } from "../../src/mount/Janitor.ts"
import { Portal } from "../../src/portal/Portal.ts"
import { falseJanitor, type Fault, surroundings } from "../support/FalseJanitor.ts"

const instance = Instance.layer.pipe(Layer.provideMerge(Janitor.layer))
const whole = Layer.mergeAll(FilesystemController.layer, Portal.layer).pipe(Layer.provideMerge(instance))

const program = {
  argv: ["bwrap"],
  options: [],
  guest: [],
  filter: [],
  privateUsers: false,
  about: { user: "root", command: [] }
}

/** What is asked of a janitor for a run of that user, whose layers are to stay so many seconds. */
const asked = (seconds: number, outlivesUs: boolean, uid: number) =>
  Effect.gen(function*() {
    const janitor = yield* falseJanitor({}, outlivesUs)
    yield* Effect.flatMap(Instance, ({ run }) => run(program)).pipe(
      Effect.provide(Layer.provide(instance, surroundings(janitor, [], { seconds, uid })))
    )
    return janitor.asked
  })

describe("an instance", () => {
  it.effect("is asked for when it is acquired, and released once, with its directory", () =>
    Effect.gen(function*() {
      const janitor = yield* falseJanitor()
      const removed: Array<string> = []
      yield* Effect.gen(function*() {
        const { opened, run } = yield* Instance
        assert.deepStrictEqual(yield* opened, {
          shared: false,
          ownUsers: true,
          sharedUsers: undefined,
          outside: undefined
        })
        assert.strictEqual((yield* run(program)).code, 7)
        assert.deepStrictEqual([janitor.ends(), removed], [0, []])
      }).pipe(Effect.provide(Layer.provide(instance, surroundings(janitor, removed))))
      assert.deepStrictEqual(janitor.asked, ["open", "run"])
      assert.deepStrictEqual([janitor.ends(), removed], [1, ["/global/app/one/instance/7"]])
    }))

  it.effect("that was left keeps its directory, and one that cannot be left is released", () =>
    Effect.gen(function*() {
      for (const outlivesUs of [true, false]) {
        const janitor = yield* falseJanitor({}, outlivesUs)
        const removed: Array<string> = []
        yield* Effect.flatMap(Instance, ({ leave }) => leave).pipe(
          Effect.provide(Layer.provide(instance, surroundings(janitor, removed)))
        )
        assert.deepStrictEqual(janitor.asked, outlivesUs ? ["open", "leave"] : ["open"])
        assert.deepStrictEqual([janitor.ends(), removed.length], [1, outlivesUs ? 0 : 1])
      }
    }))

  it.effect("that is refused leave is released after all", () =>
    Effect.gen(function*() {
      const janitor = yield* falseJanitor({ 1: "refused" }, true)
      const removed: Array<string> = []
      const error = yield* Effect.flatMap(Instance, ({ leave }) => Effect.flip(leave)).pipe(
        Effect.provide(Layer.provide(instance, surroundings(janitor, removed)))
      )
      assert.deepStrictEqual([error.reason, error.message], ["Refused", "leave is refused"])
      assert.strictEqual(removed.length, 1)
    }))

  it.effect("has layers stay that may, in its last request", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* asked(60, true, 1000), ["open", "run", "linger", "keep-layers"])
      assert.deepStrictEqual(yield* asked(0, true, 1000), ["open", "run"])
      assert.deepStrictEqual(yield* asked(60, true, 0), ["open", "run"])
      assert.deepStrictEqual(yield* asked(60, false, 1000), ["open", "run"])
    }))

  it.effect("asks for all that a start mounts before anything is answered, in the order of the phases", () =>
    Effect.gen(function*() {
      const janitor = yield* falseJanitor()
      yield* Effect.flatMap(
        FilesystemController,
        ({ root }) => Effect.sync(() => assert.strictEqual(root, "/global/app/one/instance/7/mount"))
      ).pipe(
        Effect.provide(Layer.provide(whole, surroundings(janitor)))
      )
      assert.strictEqual(janitor.asked[0], "open")
      assert.deepStrictEqual([...janitor.asked].sort(), ["mount-layers", "mount-overlay", "open", "prepare-portal"])
      assert.isBelow(janitor.asked.indexOf("mount-layers"), janitor.asked.indexOf("mount-overlay"))
    }))

  it.effect.each(
    [0, 1, 2, 3].flatMap((number) =>
      (["refused", "gone", "senseless"] as const).map((fault) => [number, fault] as const)
    )
  )("is released whatever becomes of request %d: %s", ([number, fault]) =>
    Effect.gen(function*() {
      const janitor = yield* falseJanitor({ [number]: fault satisfies Fault })
      const removed: Array<string> = []
      const exit = yield* Effect.exit(
        Effect.provide(FilesystemController, Layer.provide(whole, surroundings(janitor, removed)))
      )
      // The kernel's overlay has others behind it.
      const isOverlay = janitor.asked[number] === "mount-overlay" && fault !== "gone"
      assert.strictEqual(exit._tag, isOverlay ? "Success" : "Failure", `${janitor.asked}`)
      assert.deepStrictEqual([janitor.ends(), removed], [1, ["/global/app/one/instance/7"]])
    }))
})

describe("the ladder of overlays", () => {
  it.effect("goes down one by one, and its end is the failure of the last", () =>
    Effect.gen(function*() {
      const tried: Array<string> = []
      const refusing = (rungs: number) =>
        Layer.mock(Instance, {
          opened: Effect.succeed({ shared: false, ownUsers: true, sharedUsers: undefined, outside: undefined }),
          mountLayers: () => Effect.succeed({ unpacked: null, were_open: false, lingered: false }),
          mountOverlay: Effect.suspend(() => answer("bwrap", rungs)),
          serveOverlay: (argv) => Effect.suspend(() => answer(argv.join(" ").match(/bin\/(\S+)/)?.[1] ?? "", rungs))
        })
      const answer = (type: string, rungs: number) => {
        tried.push(type)
        return tried.length > rungs ? Effect.void : Effect.fail(
          new JanitorError({ reason: "Refused", operation: "mount", detail: `no ${type}` })
        )
      }
      const mount = (rungs: number) =>
        Effect.gen(function*() {
          tried.length = 0
          const janitor = yield* falseJanitor()
          const layer = FilesystemController.layer.pipe(
            Layer.provide(refusing(rungs)),
            Layer.provide(surroundings(janitor))
          )
          const exit = yield* Effect.exit(Effect.provide(FilesystemController, layer))
          return [exit._tag, ...tried]
        })
      assert.deepStrictEqual(yield* mount(0), ["Success", "bwrap"])
      assert.deepStrictEqual(yield* mount(1), ["Success", "bwrap", "fuse-overlayfs"])
      assert.deepStrictEqual(yield* mount(2), ["Success", "bwrap", "fuse-overlayfs", "unionfs"])
      assert.deepStrictEqual(yield* mount(3), ["Failure", "bwrap", "fuse-overlayfs", "unionfs"])
    }))
})
