import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { utimesSync } from "node:fs"
import { Apk } from "../../src/builder/apk/Apk.ts"
import { Archives } from "../../src/builder/Archives.ts"
import { makeBlueprint } from "../../src/builder/Blueprint.ts"
import type { BuildError } from "../../src/builder/BuildError.ts"
import { removeUnused } from "../../src/builder/CacheAge.ts"
import type { Closure } from "../../src/builder/Closure.ts"
import { debian } from "../../src/builder/dist/Debian.ts"
import { ubuntu } from "../../src/builder/dist/Ubuntu.ts"
import { Download } from "../../src/builder/Download.ts"
import { Gpgv } from "../../src/builder/Gpgv.ts"
import { Machine, Target } from "../../src/builder/Machine.ts"
import type { PackOptions } from "../../src/builder/Mkdwarfs.ts"
import { Mmdebstrap } from "../../src/builder/Mmdebstrap.ts"
import { Pacman } from "../../src/builder/Pacman.ts"
import { Programs } from "../../src/builder/Programs.ts"
import { Repositories } from "../../src/builder/Repositories.ts"
import { RootLayer } from "../../src/builder/Root.ts"
import { Tarball } from "../../src/builder/Tarball.ts"
import { TreeSandbox } from "../../src/builder/TreeSandbox.ts"
import { Workspace } from "../../src/builder/Workspace.ts"
import { ProjectBubblewrap } from "../support/Closure.ts"
import { layoutArchive, makeContainer, savedArchive, writeLayout } from "../support/Containers.ts"
import { elfHeader } from "../support/Elf.ts"
import { archive, entry } from "../support/Tar.ts"
import { NoEmulation, packerOf, TestApt } from "./TestServices.ts"

/** A packer that notes what it was to pack: the names in the tree and the options. */
const packed: Array<{ readonly names: ReadonlyArray<string>; readonly options: PackOptions }> = []

const FakeMkdwarfs = packerOf((fs) => (tree, path, options) =>
  Effect.gen(function*() {
    packed.push({ names: (yield* fs.readDirectory(tree, { recursive: true })).toSorted(), options })
    yield* fs.writeFileString(path, "layer")
    return { files: 1, directories: 1, bytesIn: 1, bytesOut: 1, duplicates: 0 }
  }).pipe(Effect.orDie)
)

const TestLayer = RootLayer.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Apk.layer, Archives.layer, Mmdebstrap.layer, Pacman.layer)),
  Layer.provideMerge(
    Layer.mergeAll(Download.layer, FakeMkdwarfs, Gpgv.layer, Repositories.layer, Tarball.layer, TreeSandbox.layer)
  ),
  Layer.provide(NoEmulation),
  Layer.provideMerge(ProjectBubblewrap),
  Layer.provideMerge(TestApt)
)

/** Programs of this machine in place of those of Debian. */
const closure = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* fs.makeDirectory(`${directory}/bin`)
  for (const name of ["bash", "busybox"]) yield* fs.copyFile("/bin/true", `${directory}/bin/${name}`)
  const value: Closure = { directory, files: [], applets: ["sh", "ls", "bash"], packages: [] }
  return value
})

it.layer(TestLayer)("the root layer", (it) => {
  it.effect("of a directory is packed each time, and not kept", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const workspace = yield* Workspace
      const roots = yield* RootLayer
      const path = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(`${path}/file`, "")
      const make = Effect.scoped(roots.make({ _tag: "Given", archive: { path } }, yield* closure, 3))
      packed.length = 0
      const first = yield* make
      yield* make
      assert.deepStrictEqual(packed.map(({ names }) => names), [["file"], ["file"]])
      assert.isFalse(yield* fs.exists(first))
      const left = yield* fs.readDirectory(yield* workspace.directory("cache"))
      assert.deepStrictEqual(left.filter((name) => name.startsWith(".")), [])
    }))

  it.effect("is for the processor of the image, also out of an archive that was packed for another one", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const roots = yield* RootLayer
      const { architecture } = yield* Machine
      const other = architecture.debian === "amd64" ? { name: "arm64", elf: 183 } : { name: "amd64", elf: 62 }
      const path = yield* fs.makeTempDirectoryScoped()
      yield* fs.makeDirectory(`${path}/tree/bin`, { recursive: true })
      yield* fs.writeFile(`${path}/tree/bin/sh`, elfHeader(other.elf))
      yield* (yield* Programs).run("tar", ["--create", `--file=${path}/tree.tar`, `--directory=${path}/tree`, "bin"])
      const target = { ...architecture, debian: other.name as "arm64", elf: other.elf }
      for (const name of ["tree", "tree.tar"]) {
        const make = Effect.scoped(
          roots.make({ _tag: "Given", archive: { path: `${path}/${name}` } }, yield* closure, 3)
        )
        yield* Effect.provideService(make, Target, target)
        assert.include(
          (yield* Effect.flip(make)).message,
          `${path}/${name} is a tree for ${other.name}, as its bin/sh is`
        )
      }
    }))

  it.effect("is not made of a container, which is recognised", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const roots = yield* RootLayer
      const directory = yield* fs.makeTempDirectoryScoped()
      const container = makeContainer([archive(entry("file", "0"))])
      writeLayout(`${directory}/layout`, { app: container })
      yield* fs.writeFile(`${directory}/oci.tar`, layoutArchive({ app: container }))
      yield* fs.writeFile(`${directory}/saved.tar`, savedArchive(container))
      for (
        const [name, transport] of [["layout", "oci"], ["oci.tar", "oci-archive"], ["saved.tar", "docker-archive"]]
      ) {
        const path = `${directory}/${name}`
        const make = Effect.scoped(roots.make({ _tag: "Given", archive: { path } }, yield* closure, 3))
        assert.strictEqual(
          (yield* Effect.flip(make)).message,
          `${path} is a container, not a root tree. To build an image of it: flatimage build --from ${transport}:${path}`
        )
      }
    }))

  it.effect("of an archive is packed once", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      const workspace = yield* Workspace
      const roots = yield* RootLayer
      const directory = yield* fs.makeTempDirectoryScoped()
      yield* fs.makeDirectory(`${directory}/tree/etc`, { recursive: true })
      yield* programs.run("tar", ["-C", `${directory}/tree`, "-cf", `${directory}/root.tar`, "."])
      const make = Effect.scoped(
        roots.make({ _tag: "Given", archive: { path: `${directory}/root.tar` } }, yield* closure, 3)
      )
      packed.length = 0
      const first = yield* make
      assert.strictEqual(yield* make, first)
      assert.deepStrictEqual(packed.map(({ names }) => names), [["etc"]])
      assert.deepStrictEqual(yield* fs.readDirectory(yield* workspace.directory("cache")), ["layers"])
    }))

  it.effect("is refused for an empty directory and for none", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const roots = yield* RootLayer
      const path = yield* fs.makeTempDirectoryScoped()
      const given = yield* closure
      const messageOf = (path: string) =>
        Effect.map(
          Effect.flip(Effect.scoped(roots.make({ _tag: "Given", archive: { path } }, given, 3))),
          (error: BuildError) => error.message
        )
      assert.match(yield* messageOf(path), /is empty/)
      assert.match(yield* messageOf(`${path}/none`), /no such file or directory/)
    }))

  it.effect("of the blueprint belongs to root and has a shell", () =>
    Effect.gen(function*() {
      const roots = yield* RootLayer
      packed.length = 0
      yield* Effect.scoped(roots.make({ _tag: "Blueprint" }, yield* closure, 3))
      assert.deepStrictEqual(packed[0]?.options, { level: 3, ownedByRoot: true })
      for (const name of ["usr/bin/sh", "usr/bin/bash", "bin", "etc/passwd", "tmp", "proc"]) {
        assert.include(packed[0]?.names ?? [], name)
      }
    }))

  it.effect("of Debian has another name for other packages and for another suite", () =>
    Effect.gen(function*() {
      const { key } = yield* Mmdebstrap
      const options = { suite: "trixie", include: ["git", "vim"], refresh: false }
      const same = yield* key(debian, options)
      assert.strictEqual(same, yield* key(debian, { ...options, include: ["vim", "git"], refresh: true }))
      const others = yield* Effect.all([
        key(debian, { ...options, include: ["git"] }),
        key(debian, { ...options, suite: "bookworm" }),
        key(debian, { ...options, mirror: "http://other" }),
        key(debian, { ...options, keyring: "/other" }),
        key(ubuntu, options),
        Effect.flatMap(
          (yield* Machine).targetOf("arm64"),
          (target) => Effect.provideService(key(debian, options), Target, target)
        )
      ])
      assert.strictEqual(new Set([same, ...others]).size, 7)
    }))
})

it.layer(TestLayer)("the blueprint", (it) => {
  it.effect("has permissions that do not depend on who builds, and links that lead within it", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const before = process.umask(0o077)
      yield* makeBlueprint(fs, yield* closure, directory).pipe(
        Effect.ensuring(Effect.sync(() => process.umask(before)))
      )
      const modeOf = (path: string) => Effect.map(fs.stat(`${directory}/${path}`), (info) => info.mode & 0o7777)
      assert.strictEqual(yield* modeOf("usr/bin"), 0o755)
      assert.strictEqual(yield* modeOf("tmp"), 0o1777)
      assert.strictEqual(yield* modeOf("root"), 0o700)
      assert.strictEqual(yield* modeOf("etc/passwd"), 0o644)
      assert.strictEqual(yield* modeOf("usr/bin/busybox"), 0o755)
      assert.strictEqual(yield* fs.readLink(`${directory}/usr/bin/sh`), "busybox")
      assert.strictEqual((yield* fs.lstat(`${directory}/usr/bin/bash`)).type, "File")
      assert.isTrue(yield* fs.exists(`${directory}/bin/sh`))
      assert.isTrue(yield* fs.exists(`${directory}/sbin/sh`))
    }))
})

describe("a cache", () => {
  it.live("loses what has not been used for two weeks", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const day = 86_400
      for (const [name, days] of [["new", 0], ["used", 13], ["unused", 15]] as const) {
        yield* fs.writeFileString(`${directory}/${name}`, "")
        const used = Date.now() / 1000 - days * day
        utimesSync(`${directory}/${name}`, used, used)
      }
      yield* removeUnused(fs, directory)
      assert.deepStrictEqual((yield* fs.readDirectory(directory)).toSorted(), ["new", "used"])
    }).pipe(Effect.scoped, Effect.provide(TestApt)))
})
