import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { Machine } from "../../src/builder/Machine.ts"
import { checkArchitecture, machineOf } from "../../src/builder/TreeArchitecture.ts"
import { elfHeader } from "../support/Elf.ts"

const targetOf = (arch: string) =>
  Effect.map(Machine, ({ architecture }) => architecture).pipe(Effect.provide(Machine.layer({ arch, uid: 0 })))

/** Checks a tree of files and links (`-> TARGET`). The answer is the message of the refusal, with `TREE` for its path. */
const refusal = (files: Readonly<Record<string, Uint8Array | string>>, arch = "x64") =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const tree = yield* fs.makeTempDirectoryScoped()
    for (const [name, content] of Object.entries(files)) {
      yield* fs.makeDirectory(`${tree}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true })
      if (typeof content === "string" && content.startsWith("-> ")) {
        yield* fs.symlink(content.slice(3), `${tree}/${name}`)
      } else {yield* fs.writeFile(
          `${tree}/${name}`,
          typeof content === "string" ? new TextEncoder().encode(content) : content
        )}
    }
    return yield* checkArchitecture(fs, tree, "TREE", yield* targetOf(arch)).pipe(
      Effect.match({ onSuccess: () => undefined, onFailure: ({ message }) => message })
    )
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

/** A tree whose shell is for a processor. */
const tree = (machine: number) => ({
  "bin": "-> /usr/bin",
  "usr/bin/sh": "-> dash",
  "usr/bin/dash": elfHeader(machine),
  // One that an emulator is.
  "usr/bin/env": elfHeader(machine === 62 ? 183 : 62)
})

describe("the architecture of a root tree", () => {
  it.effect("is that of its shell, which links of the tree lead to", () =>
    Effect.gen(function*() {
      assert.isUndefined(yield* refusal(tree(62)))
      assert.isUndefined(yield* refusal(tree(183), "arm64"))
      assert.strictEqual(
        yield* refusal(tree(183)),
        "TREE is a tree for arm64, as its bin/sh is, and the image is for amd64: add --arch arm64, or name a tree for amd64"
      )
      assert.match(
        (yield* refusal(tree(62), "arm64")) ?? "",
        /^TREE is a tree for amd64, .* for arm64: add --arch amd64, or/
      )
      assert.match(
        (yield* refusal(tree(243))) ?? "",
        /^TREE is a tree for riscv64, .* for amd64: name a tree for amd64$/
      )
      assert.match((yield* refusal(tree(999))) ?? "", /^TREE is a tree for processor 999, /)
    }))

  it.effect("may be the elder one that the processor runs too", () =>
    Effect.gen(function*() {
      assert.isUndefined(yield* refusal({ "bin/sh": elfHeader(3) }))
      assert.isUndefined(yield* refusal({ "bin/sh": elfHeader(40) }, "arm64"))
      assert.isDefined(yield* refusal({ "bin/sh": elfHeader(40) }))
    }))

  it.effect("is that of some program where there is no shell", () =>
    Effect.gen(function*() {
      const files = { "usr/local/bin/a": "#!/nothing\n", "usr/local/bin/b": elfHeader(183), "usr/local/bin/c": "-> c" }
      assert.match((yield* refusal(files)) ?? "", /as its usr\/local\/bin\/b is/)
    }))

  it.effect("is any without programs, and for what only looks like one", () =>
    Effect.gen(function*() {
      assert.isUndefined(yield* refusal({ "etc/file": "" }))
      assert.isUndefined(yield* refusal({ "bin/sh": "-> sh", "bin/env": "#!/bin/sh\n", "sbin/init": "\x7fELF" }))
      // A link out of the tree is one to the tree's own file, which is not there.
      assert.isUndefined(yield* refusal({ "bin/sh": "-> ../../../../../../bin/sh" }, "arm64"))
    }))

  it("is read in either order of bytes", () => {
    assert.strictEqual(machineOf(elfHeader(22, 2)), 22)
    assert.strictEqual(machineOf(elfHeader(183)), 183)
    assert.isUndefined(machineOf(elfHeader(183).subarray(0, 19)))
    assert.isUndefined(machineOf(new Uint8Array()))
  })
})
