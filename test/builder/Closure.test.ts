import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { randomBytes } from "node:crypto"
import { zstdDecompressSync } from "node:zlib"
import { Blobs, frameSize } from "../../src/builder/Blobs.ts"
import { ToolClosure, type Unpacked } from "../../src/builder/Closure.ts"
import { licensesOf } from "../../src/builder/Licenses.ts"
import { Machine } from "../../src/builder/Machine.ts"
import { resolveInTree } from "../../src/builder/PackageTree.ts"
import { toolSources } from "../../src/builder/Toolbox.ts"
import { Workspace } from "../../src/builder/Workspace.ts"
import * as Platform from "../support/Platform.ts"
import { TestApt, TestBase } from "./TestServices.ts"

const TestLayer = Layer.mergeAll(ToolClosure.layer, Blobs.layer).pipe(Layer.provideMerge(TestApt))

/** Trees as packages would give them, of programs and libraries that this machine has. */
const trees = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const { architecture } = yield* Machine
  const root = yield* fs.makeTempDirectoryScoped()
  const directory = `usr/lib/${architecture.triplet}`
  const unpacked: Array<Unpacked> = []
  for (const name of ["libc6", ...toolSources.map((tool) => tool.package)]) {
    const tree = `${root}/${name}`
    yield* fs.makeDirectory(`${tree}/${directory}`, { recursive: true })
    yield* fs.makeDirectory(`${tree}/usr/bin`, { recursive: true })
    for (const tool of toolSources) {
      if (tool.package === name) yield* fs.copyFile("/bin/true", `${tree}/${tool.file}`)
    }
    unpacked.push({
      tree,
      package: {
        name,
        suite: "trixie",
        archive: "debian",
        version: "1",
        architecture: architecture.debian,
        file: "pool/x.deb",
        size: 1,
        sha256: "0".repeat(64),
        source: name,
        homepage: "",
        licenses: []
      }
    })
  }
  const libc = `${root}/libc6/${directory}`
  const loader = architecture.debian === "amd64" ? "ld-linux-x86-64.so.2" : "ld-linux-aarch64.so.1"
  for (const library of ["libc.so.6", loader]) {
    yield* fs.copyFile(`/lib/${architecture.triplet}/${library}`, `${libc}/${library}.real`)
    yield* fs.symlink(`${library}.real`, `${libc}/${library}`)
  }
  return { unpacked, libc, loader }
})

it.layer(TestLayer)("the tools", (it) => {
  it.effect("come with every library that they name, and the loader", () =>
    Effect.gen(function*() {
      const { loader, unpacked } = yield* trees
      const found = yield* (yield* ToolClosure).collect(unpacked)
      const paths = found.map((file) => file.path)
      for (const tool of toolSources) assert.include(paths, `bin/${tool.name}`)
      for (const library of ["libc.so.6", loader]) assert.include(paths, `lib/${library}`)
      assert.strictEqual(new Set(paths).size, paths.length)
    }))

  it.effect("are refused when a library is missing, with its name and who needs it", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { libc, unpacked } = yield* trees
      yield* fs.remove(`${libc}/libc.so.6.real`)
      const error = yield* Effect.flip((yield* ToolClosure).collect(unpacked))
      assert.deepStrictEqual(error.reason, {
        _tag: "LibraryMissing",
        library: "libc.so.6",
        neededBy: `bin/${toolSources[0]?.name}`
      })
    }))

  it.effect("are refused when a package does not have its program, or it is none", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { unpacked } = yield* trees
      const tool = toolSources[0]
      const tree = unpacked.find((candidate) => candidate.package.name === tool?.package)?.tree
      yield* fs.writeFileString(`${tree}/${tool?.file}`, "#!/bin/sh\n")
      const closure = yield* ToolClosure
      assert.strictEqual((yield* Effect.flip(closure.collect(unpacked))).reason._tag, "BadBinary")
      yield* fs.remove(`${tree}/${tool?.file}`)
      assert.strictEqual((yield* Effect.flip(closure.collect(unpacked))).reason._tag, "LibraryMissing")
    }))
})

it.layer(TestLayer)("compressed tools", (it) => {
  it.effect("have frames of their own, and only changed ones are compressed again", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const blobs = yield* Blobs
      const workspace = yield* Workspace
      const path = `${yield* fs.makeTempDirectoryScoped()}/tool`
      const cached = Effect.flatMap(workspace.directory("cache", "blobs"), (directory) => fs.readDirectory(directory))
      const bytes = Buffer.concat([randomBytes(frameSize), Buffer.from("the end")])
      yield* fs.writeFile(path, bytes)
      const first = yield* blobs.pack(path, 1, () => Effect.void)
      assert.lengthOf(first.frames, 2)
      const plain = yield* Effect.forEach(first.frames, (frame) => fs.readFile(frame))
      assert.isTrue(Buffer.concat(plain.map((frame) => zstdDecompressSync(frame))).equals(bytes))
      assert.strictEqual(first.packedSize, plain.reduce((sum, frame) => sum + frame.length, 0))
      const before = yield* cached
      yield* fs.writeFileString(first.frames[0] ?? "", "as it is cached")
      bytes.write("another", frameSize)
      yield* fs.writeFile(path, bytes)
      const second = yield* blobs.pack(path, 1, () => Effect.void)
      assert.strictEqual(second.frames[0], first.frames[0])
      assert.isBelow(second.packedSize, 1000)
      assert.notStrictEqual(second.sha256, first.sha256)
      assert.lengthOf(yield* cached, before.length + 1)
      assert.deepStrictEqual((yield* cached).filter((name) => name.startsWith(".")), [])
    }))

  it.effect("may be empty", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped()}/empty`
      yield* fs.writeFile(path, new Uint8Array())
      const blob = yield* (yield* Blobs).pack(path, 1, () => Effect.void)
      assert.deepStrictEqual([blob.size, blob.frames.length], [0, 1])
    }))
})

it.layer(Layer.mergeAll(TestBase, Platform.layer))("a path within a tree", (it) => {
  it.effect("is followed as if the tree were the root", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const tree = yield* fs.makeTempDirectoryScoped()
      yield* fs.makeDirectory(`${tree}/usr/lib`, { recursive: true })
      yield* fs.writeFileString(`${tree}/usr/lib/a.1`, "")
      yield* fs.symlink("a.1", `${tree}/usr/lib/a`)
      yield* fs.symlink("/usr/lib/a", `${tree}/usr/lib/absolute`)
      yield* fs.symlink("../../../../../usr/lib/a", `${tree}/usr/lib/climbing`)
      yield* fs.symlink("usr/lib", `${tree}/lib`)
      yield* fs.symlink("loop", `${tree}/loop`)
      yield* fs.symlink("/etc/passwd", `${tree}/passwd`)
      for (
        const path of ["usr/lib/a.1", "usr/lib/a", "usr/lib/absolute", "usr/lib/climbing", "lib/a", "/lib/../lib/a"]
      ) {
        assert.strictEqual(yield* resolveInTree(fs, tree, path), `${tree}/usr/lib/a.1`, path)
      }
      for (const path of ["usr/lib", "usr/lib/b", "passwd", "../../../etc/passwd", "usr/lib/a.1/x"]) {
        const found = yield* Effect.orElseSucceed(resolveInTree(fs, tree, path), () => undefined)
        assert.strictEqual(found, undefined, path)
      }
      assert.strictEqual((yield* Effect.flip(resolveInTree(fs, tree, "loop"))).reason._tag, "BadBinary")
    }))
})

describe("licences", () => {
  it("are those of the whole, by their SPDX names", () => {
    const text = "Format: https://example.invalid/copyright-format/1.0/\n\n" +
      "Files: debian/*\nLicense: Apache-2\n\nFiles: *\nCopyright: x\nLicense: GPL-2+ and Expat\n\nFiles: m4/*\nLicense: X\n"
    assert.deepStrictEqual(licensesOf("something", text), ["GPL-2.0-or-later", "MIT"])
    assert.deepStrictEqual(licensesOf("something", "prose"), [])
    assert.deepStrictEqual(licensesOf("bash", "prose"), ["GPL-3.0-or-later"])
  })
})
