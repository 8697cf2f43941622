import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { Step } from "../../../src/builder/definition/Definition.ts"
import { type GuestRequest, Runner } from "../../../src/builder/definition/Runner.ts"
import { labelOf, Steps } from "../../../src/builder/definition/Steps.ts"
import { alpine } from "../../../src/builder/dist/Alpine.ts"
import type { Distribution } from "../../../src/builder/dist/Distribution.ts"
import { Epoch } from "../../../src/builder/Mkdwarfs.ts"
import { Programs } from "../../../src/builder/Programs.ts"
import { packerOf, TestBase } from "../TestServices.ts"

/** What was to be run in the guest; nothing is. */
const ran: Array<GuestRequest> = []
/** The listing of each archive that was given to a guest. */
const archives: Array<string> = []

const Fakes = Layer.mergeAll(
  packerOf(() => () => Effect.die("nothing is packed")),
  Layer.effect(
    Runner,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      return Runner.of({
        commit: (request, path) =>
          Effect.gen(function*() {
            ran.push(request)
            if (request.command.input !== undefined) {
              archives.push(yield* programs.run("tar", ["--list", "--verbose", "--file", request.command.input]))
            }
            yield* fs.writeFileString(path, "layer")
          }).pipe(Effect.orDie),
        reads: () => Effect.die("nothing is listed")
      })
    })
  )
)

const TestLayer = Steps.layer.pipe(Layer.provideMerge(Fakes), Layer.provideMerge(TestBase))

let runners = 0
let released = 0

const prepare = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* fs.writeFileString(`${directory}/base`, directory)
  yield* fs.makeDirectory(`${directory}/files/sub`, { recursive: true })
  yield* fs.writeFileString(`${directory}/files/sub/f`, "1")
  const make = Effect.fnUntraced(function*(
    list: ReadonlyArray<Step>,
    options: { readonly refresh?: boolean; readonly distribution?: Distribution } = {}
  ) {
    ran.length = 0
    archives.length = 0
    const steps = yield* Steps
    return yield* Effect.scoped(steps.make({
      steps: list,
      directory,
      distribution: "distribution" in options ? options.distribution : alpine,
      base: [`${directory}/base`],
      runner: Effect.acquireRelease(
        Effect.sync(() => {
          runners++
          return { image: "/runner", fim: "/fim" }
        }),
        () => Effect.sync(() => void released++)
      ),
      level: 3,
      refresh: options.refresh ?? false
    }))
  })
  return { directory, make }
})

it.layer(TestLayer)("steps", (it) => {
  it.effect("are made once, and again from the first that changed on", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { directory, make } = yield* prepare
      const list: ReadonlyArray<Step> = [{ run: "one" }, { copy: "files", to: "/opt/" }, { run: ["three", "3"] }]
      runners = released = 0
      const first = yield* make(list)
      assert.lengthOf(first, 3)
      assert.deepStrictEqual(ran.map(({ layers }) => layers), [
        [`${directory}/base`],
        [`${directory}/base`, ...first.slice(0, 1)],
        [`${directory}/base`, ...first.slice(0, 2)]
      ])
      // One image for all of them, and it is there until the last is done.
      assert.deepStrictEqual([runners, released], [1, 1])
      assert.deepStrictEqual(yield* make(list), first)
      assert.deepStrictEqual([ran.length, runners], [0, 1])
      const changed = yield* make([...list.slice(0, 2), { run: ["three", "4"] }])
      assert.deepStrictEqual(changed.slice(0, 2), first.slice(0, 2))
      assert.notStrictEqual(changed[2], first[2])
      assert.lengthOf(ran, 1)
      yield* fs.writeFileString(`${directory}/files/sub/f`, "2")
      const copied = yield* make(list)
      assert.strictEqual(copied[0], first[0])
      assert.lengthOf(ran, 2)
      yield* fs.writeFileString(`${directory}/base`, "another")
      yield* make(list)
      assert.lengthOf(ran, 3)
      yield* make(list, { refresh: true })
      assert.lengthOf(ran, 3)
    }))

  it.effect("are commands of the guest", () =>
    Effect.gen(function*() {
      const { make } = yield* prepare
      yield* Effect.provideService(
        make([
          { run: "script", network: true, environment: { A: "b" } },
          { packages: ["nano", "git"] },
          { copy: "files/sub", to: "/usr/share/x" },
          { copy: "files/sub/f", to: "/bin/", mode: "755" }
        ]),
        Epoch,
        7
      )
      assert.deepStrictEqual(
        ran.map(({ command: { environment, network, args } }) => ({ args, network, environment })),
        [
          {
            args: ["sh", "-euc", "script"],
            network: true,
            environment: { SOURCE_DATE_EPOCH: "7", A: "b" }
          },
          {
            args: ["sh", "-euc", alpine.install, "sh", "nano", "git"],
            network: true,
            environment: { SOURCE_DATE_EPOCH: "7" }
          },
          ...["/usr/share", "/bin"].map((parent) => ({
            args: [
              "busybox",
              "sh",
              "-c",
              "busybox mkdir -p \"$1\" && exec busybox tar -x -f - -C \"$1\"",
              "sh",
              parent
            ],
            network: false,
            environment: {}
          }))
        ]
      )
      const lines = archives.map((text) => text.trim().split("\n").map((line) => line.replace(/\s+/g, " ")))
      assert.deepStrictEqual(lines.map((names) => names.map((line) => line.split(" ").at(-1))), [["x/", "x/f"], ["f"]])
      assert.match(lines[1]?.[0] ?? "", /^-rwxr-xr-x (0\/0|root\/root) 1 /)
    }))

  it.effect("that cannot be done are refused", () =>
    Effect.gen(function*() {
      const { make } = yield* prepare
      const refusal = (step: Step, options = {}) =>
        Effect.map(Effect.flip(make([step], options)), (error) => error.message)
      assert.match(yield* refusal({ packages: ["x"] }, { distribution: undefined }), /packages need a distribution/)
      assert.match(yield* refusal({ packages: ["--root=/"] }), /is not the name of a package/)
      assert.match(yield* refusal({ copy: "../x", to: "/x" }), /not below the directory/)
      assert.match(yield* refusal({ copy: "none", to: "/x" }), /no such file/)
      assert.match(yield* refusal({ copy: "files", to: "/a/../b" }), /has "\.\." in it/)
      assert.match(yield* refusal({ copy: "files", to: "/a", mode: "755" }), /"mode" is for files/)
    }))

  it("are said in one line", () => {
    assert.strictEqual(labelOf({ run: "a\n  b" }), "Run a b")
    assert.strictEqual(labelOf({ run: ["x".repeat(90)] }).length, 60)
  })
})
