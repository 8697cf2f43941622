import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { fileURLToPath } from "node:url"
import { Apt } from "../../src/builder/Apt.ts"
import { Emulator } from "../../src/builder/cross/Emulator.ts"
import { Lock } from "../../src/builder/Lock.ts"
import { Machine } from "../../src/builder/Machine.ts"
import { Mirror } from "../../src/builder/Mirror.ts"
import { Mkdwarfs } from "../../src/builder/Mkdwarfs.ts"
import { Programs } from "../../src/builder/Programs.ts"
import { Progress } from "../../src/builder/Progress.ts"
import { Workspace } from "../../src/builder/Workspace.ts"
import * as Platform from "../support/Platform.ts"

const repository = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "")

/** A build directory of its own for each test; it goes away with the test. */
const TestWorkspace = Layer.unwrap(
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped({ prefix: "flatimage-test-" })
    yield* fs.makeDirectory(`${directory}/src/builder`, { recursive: true })
    yield* fs.copyFile(`${repository}/src/builder/tools.lock.json`, `${directory}/src/builder/tools.lock.json`)
    return Workspace.layer({ root: directory, build: `${directory}/build` })
  })
)

const TestMachine = Machine.layer({ arch: process.arch, uid: process.getuid?.() ?? 0 })

/** Images are for this machine. */
export const NoEmulation = Layer.succeed(Emulator, {
  check: () => Effect.void,
  emulation: () => Effect.succeed({ prefix: [], ownUsers: false })
})

/** No package is ever downloaded: a mirror that cannot be reached. */
const NoMirror = Layer.succeed(Mirror, {
  sources: Effect.succeed({
    keyring: "/nonexistent.gpg",
    mirrors: { "debian": "http://127.0.0.1:9/debian", "debian-security": undefined }
  })
})

/** A packer with a cache of its own, that packs as the test says. */
export const packerOf = (
  pack: (fs: FileSystem.FileSystem) => Mkdwarfs["Service"]["pack"]
) =>
  Layer.effect(
    Mkdwarfs,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const workspace = yield* Workspace
      return Mkdwarfs.of({
        cached: (key, level) =>
          Effect.gen(function*() {
            const path = `${yield* workspace.directory("cache", "layers")}/${key}-${level}`
            return { path, present: yield* Effect.orElseSucceed(fs.exists(path), () => false) }
          }),
        pack: pack(fs)
      })
    })
  )

/** Shows nothing. */
const NoProgress = Layer.succeed(Progress, {
  step: (_label, work) => work(() => Effect.void),
  note: () => Effect.void
})

export const TestBase = Layer.mergeAll(TestWorkspace, TestMachine, Programs.layer, NoProgress).pipe(
  Layer.provideMerge(Platform.layer)
)

export const TestApt = Layer.mergeAll(Apt.layer, Lock.layer).pipe(
  Layer.provideMerge(NoMirror),
  Layer.provideMerge(TestBase)
)
