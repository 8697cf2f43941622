import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { buildError } from "../../../src/builder/BuildError.ts"
import { CrossPackages } from "../../../src/builder/cross/CrossPackages.ts"
import { Emulator } from "../../../src/builder/cross/Emulator.ts"
import { Machine, Target } from "../../../src/builder/Machine.ts"
import { Programs } from "../../../src/builder/Programs.ts"
import { RuntimeCompiler } from "../../../src/builder/Runtime.ts"
import * as Platform from "../../support/Platform.ts"

/** An emulator on a machine on which `fim emulate` answers so; and what was fetched. */
const emulatorThat = (answer: "works" | "fails", fetched: Array<string>, uid = 0) =>
  Emulator.layer.pipe(
    Layer.provide(Layer.mergeAll(
      Layer.succeed(Programs, {
        run: (program, args) =>
          program === "/fim" && args[0] === "emulate" && answer === "fails"
            ? Effect.fail(
              buildError("ProgramFailed", { command: "fim emulate", exitCode: 125, output: "the kernel refuses" })
            )
            : Effect.succeed("")
      }),
      Layer.succeed(CrossPackages, {
        tree: ({ name }) =>
          Effect.sync(() => {
            fetched.push(name)
            return "/cross"
          })
      }),
      Layer.succeed(RuntimeCompiler, {
        native: Effect.succeed({ launcher: "/launcher", fim: "/fim", mkdwarfs: "/mkdwarfs", tarlayer: "/nonexistent" })
      }),
      // No rule of this machine is found.
      Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (fs) => ({
          ...fs,
          readDirectory: () => Effect.succeed([]),
          readFileString: () => Effect.succeed("0 0 4294967295\n")
        }))
      ).pipe(Layer.provide(Platform.layer)),
      Machine.layer({ arch: "x64", uid })
    ))
  )

const forArm = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { targetOf } = yield* Effect.provide(Machine, Machine.layer({ arch: "x64", uid: 0 }))
    return yield* Effect.provideService(effect, Target, yield* targetOf("arm64"))
  })

it.effect("a machine that cannot run programs of arm64 is refused before anything is fetched, and what to type is said", () =>
  Effect.gen(function*() {
    const fetched: Array<string> = []
    yield* Effect.gen(function*() {
      const { check, emulation } = yield* Emulator
      const error = yield* Effect.flip(forArm(check("tree")))
      assert.strictEqual(
        error.message,
        "programs of arm64 cannot be run here, which the image's packages and steps need (the kernel refuses): "
          + "build as root with Linux 6.7 or newer, or have root run \"apt-get install qemu-user-static\""
      )
      yield* Effect.flip(forArm(emulation("steps")))
      // An image of its own is no concern of the emulator.
      yield* check("tree")
      assert.deepStrictEqual((yield* emulation("tree")).prefix, [])
    }).pipe(Effect.provide(emulatorThat("fails", fetched)))
    assert.deepStrictEqual(fetched, [])
  }))

it.effect("a machine that can gets a rule with the emulator", () =>
  Effect.gen(function*() {
    const fetched: Array<string> = []
    yield* Effect.gen(function*() {
      const { ownUsers, prefix } = yield* forArm((yield* Emulator).emulation("tree"))
      assert.isTrue(ownUsers)
      assert.deepStrictEqual([prefix[0], prefix[1], prefix.at(-1)], ["/fim", "emulate", "--"])
      assert.match(prefix.at(-2) ?? "", /:\/cross\/qemu-aarch64:FP$/)
    }).pipe(Effect.provide(emulatorThat("works", fetched)))
    assert.deepStrictEqual(fetched, ["emulator"])
  }))

it.effect("who is not root needs users of its own for a tree of packages, and a rule of the machine for steps", () =>
  Effect.gen(function*() {
    const { emulation } = yield* Emulator
    const tree = yield* Effect.flip(forArm(emulation("tree")))
    assert.match(tree.message, /^this user has no subordinate ids, .*"usermod /)
    const steps = yield* Effect.flip(forArm(emulation("steps")))
    assert.match(steps.message, /\(steps run in a namespace of root, .*"apt-get install /)
  }).pipe(Effect.provide(emulatorThat("works", [], 1234))))
