import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { Apt, parseParagraphs, parseSourceUris, sourceLines } from "../../src/builder/Apt.ts"
import type { BuildError } from "../../src/builder/BuildError.ts"
import { Lock, type Package } from "../../src/builder/Lock.ts"
import { parseReleaseUris } from "../../src/builder/Mirror.ts"
import { Programs } from "../../src/builder/Programs.ts"
import { Workspace } from "../../src/builder/Workspace.ts"
import { sha256 } from "../support/Platform.ts"
import { TestApt } from "./TestServices.ts"

/** A package of one file, made here, and the entry of a lock for it. */
const smallPackage = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const programs = yield* Programs
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* fs.makeDirectory(`${directory}/tree/DEBIAN`, { recursive: true })
  yield* fs.writeFileString(
    `${directory}/tree/DEBIAN/control`,
    "Package: small\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@localhost>\nDescription: small\n"
  )
  yield* fs.writeFileString(`${directory}/tree/file`, "content")
  yield* programs.run("dpkg-deb", ["--root-owner-group", "--build", `${directory}/tree`, `${directory}/small.deb`])
  const bytes = yield* fs.readFile(`${directory}/small.deb`)
  const pinned: Package = {
    name: "small",
    suite: "trixie",
    archive: "debian",
    version: "1",
    architecture: "amd64",
    file: "pool/main/s/small/small_1_all.deb",
    size: bytes.length,
    sha256: sha256(bytes),
    source: "small",
    homepage: "",
    licenses: []
  }
  return { bytes, pinned }
})

const place = Effect.fnUntraced(function*(pinned: Package, bytes: Uint8Array) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* (yield* Workspace).directory("cache", "debs")
  const path = `${directory}/${sha256(pinned.sha256 + pinned.file).slice(0, 12)}-${pinned.name}.deb`
  yield* fs.writeFile(path, bytes)
  return path
})

const reasonOf = <A, R>(effect: Effect.Effect<A, BuildError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason)

it.layer(TestApt)("a pinned package", (it) => {
  it.effect("is taken from the cache without any network", () =>
    Effect.gen(function*() {
      const { bytes, pinned } = yield* smallPackage
      const path = yield* place(pinned, bytes)
      assert.strictEqual(yield* (yield* Apt).fetch(pinned), path)
    }))

  it.effect("is refused when one bit of it has changed", () =>
    Effect.gen(function*() {
      const { bytes, pinned } = yield* smallPackage
      const tampered = Uint8Array.from(bytes)
      tampered[tampered.length - 1] = (tampered.at(-1) ?? 0) ^ 1
      const path = yield* place(pinned, tampered)
      const reason = yield* reasonOf((yield* Apt).fetch(pinned))
      assert.deepStrictEqual(reason, { _tag: "Tampered", path, expected: pinned.sha256, actual: sha256(tampered) })
    }))

  it.effect("is refused when it is another package", () =>
    Effect.gen(function*() {
      const { pinned } = yield* smallPackage
      yield* place(pinned, new Uint8Array())
      assert.strictEqual((yield* reasonOf((yield* Apt).fetch(pinned)))._tag, "Tampered")
    }))

  it.effect("of an archive that the machine does not use gives a clear failure", () =>
    Effect.gen(function*() {
      const { pinned } = yield* smallPackage
      const other: Package = { ...pinned, name: "other", archive: "debian-security" }
      const error = yield* Effect.flip((yield* Apt).fetch(other))
      assert.strictEqual(error.reason._tag, "NoMirror")
      assert.match(error.message, /other is in the archive debian-security/)
    }))

  it.effect("that cannot be downloaded leaves nothing in the cache", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { pinned } = yield* smallPackage
      const gone: Package = { ...pinned, name: "gone" }
      yield* Effect.flip((yield* Apt).fetch(gone))
      const directory = yield* (yield* Workspace).directory("cache", "debs")
      assert.deepStrictEqual((yield* fs.readDirectory(directory)).filter((name) => name.includes("gone")), [])
      // Apt tries several times.
    }), 60_000)
})

it.layer(TestApt)("the lock", (it) => {
  it.effect("that is in the sources is valid and complete", () =>
    Effect.gen(function*() {
      const { packages, sources } = yield* (yield* Lock).read
      for (const pinned of [...packages, ...sources]) {
        assert.notDeepEqual(pinned.licenses, [], `${pinned.name} has no licence`)
      }
      const names = packages.map((pinned) => pinned.name)
      for (const name of ["busybox-static", "bash-static", "fuse-overlayfs", "unionfs-fuse", "libc6"]) {
        assert.include(names, name)
      }
      assert.deepStrictEqual(sources.map(({ name }) => name), ["bubblewrap"])
    }))

  it.effect("is refused when a package could be taken from elsewhere", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const lock = yield* Lock
      const before = yield* fs.readFileString(lock.path)
      const { packages, sources } = yield* lock.read
      for (
        const change of [
          { file: "../../etc/passwd" },
          { file: "pool/../../x.deb" },
          { file: "http://elsewhere/x.deb" },
          { sha256: "abc" },
          { name: "a/b" },
          { suite: "trixie [trusted=yes]" },
          { size: 0 },
          { archive: "elsewhere" }
        ]
      ) {
        for (
          const changed of [
            { packages: [{ ...packages[0], ...change }], sources: [] },
            { packages: [], sources: [{ ...sources[0], ...change }] }
          ]
        ) {
          yield* fs.writeFileString(lock.path, JSON.stringify({ format: 1, ...changed }))
          assert.strictEqual((yield* reasonOf(lock.read))._tag, "LockInvalid", JSON.stringify(changed))
        }
      }
      yield* fs.writeFileString(lock.path, before)
    }))

  it.effect("is read as it was written", () =>
    Effect.gen(function*() {
      const lock = yield* Lock
      const before = yield* lock.read
      const shorter = { ...before, packages: before.packages.slice(1) }
      yield* lock.write(shorter)
      assert.deepStrictEqual(yield* lock.read, shorter)
    }))
})

describe("the mirrors of the machine", () => {
  it("are found whatever else apt uses", () => {
    const lines = [
      "'https://example.invalid/node/dists/nodistro/InRelease' x 0 ",
      "'http://mirror.invalid/debian/dists/bookworm/InRelease' x 0 ",
      "'http://mirror.invalid/debian/dists/bookworm-updates/InRelease' x 0 ",
      "'http://mirror.invalid/debian-security/dists/bookworm-security/InRelease' x 0 ",
      "'http://mirror.invalid/debian/dists/bookworm/main/binary-amd64/Packages.xz' x 0 ",
      "'http://second.invalid/debian/dists/sid/InRelease' x 0 "
    ]
    assert.deepStrictEqual(parseReleaseUris(lines.join("\n")), {
      "debian": "http://mirror.invalid/debian",
      "debian-security": "http://mirror.invalid/debian-security"
    })
  })

  it("are none on another distribution", () => {
    const text = "'http://mirror.invalid/ubuntu/dists/noble/InRelease' x 0 \n"
    assert.deepStrictEqual(parseReleaseUris(text), { "debian": undefined, "debian-security": undefined })
  })

  it("become lines of sources, with security updates where there are any", () => {
    const sources = { keyring: "/k.gpg", mirrors: { "debian": "http://m/debian", "debian-security": "http://m/s" } }
    assert.deepStrictEqual(sourceLines(sources, "trixie", true), [
      "deb [signed-by=/k.gpg] http://m/debian trixie main",
      "deb [signed-by=/k.gpg] http://m/s trixie-security main"
    ])
    const without = { ...sources, mirrors: { ...sources.mirrors, "debian-security": undefined } }
    assert.deepStrictEqual(sourceLines(without, "trixie", false), ["deb http://m/debian trixie main"])
  })
})

describe("paragraphs of a control file", () => {
  it("are read without continuation lines", () => {
    assert.deepStrictEqual(parseParagraphs("Package: a\nTag: x,\n y: z\nSize: 1\n\n\nPackage: b\n"), [
      { Package: "a", Tag: "x,", Size: "1" },
      { Package: "b" }
    ])
  })
})

const sha = (digit: string) => `SHA256:${digit.repeat(64)}`

/** A line about an archive at a mirror, as apt prints it. */
const archiveAt = (base: string) => `'${base}/pool/x/b_1.orig.tar.gz' b_1.orig.tar.gz 1 ${sha("1")}`

describe("the original archive of a source package", () => {
  const mirrors = { "debian": "http://m/debian", "debian-security": "http://m/security" }

  it("is found among the files of the package", () => {
    const output = [
      "Need to get 143 kB of source archives.",
      `'http://m/debian/pool/main/b/b/b_0.12.0-1%7edeb13u1.dsc' b_0.12.0-1~deb13u1.dsc 2362 ${sha("1")}`,
      `'http://m/debian/pool/main/b/b/b_0.12.0.orig.tar.xz' b_0.12.0.orig.tar.xz 126452 ${sha("2")}`,
      `'http://m/debian/pool/main/b/b/b_0.12.0-1.debian.tar.xz' b_0.12.0-1.debian.tar.xz 13728 ${sha("3")}`
    ].join("\n")
    assert.deepStrictEqual(parseSourceUris(output, mirrors), {
      archive: "debian",
      version: "0.12.0",
      file: "pool/main/b/b/b_0.12.0.orig.tar.xz",
      size: 126_452,
      sha256: "2".repeat(64)
    })
  })

  it("may be one of the security archive, and none of anybody else's", () => {
    assert.strictEqual(parseSourceUris(archiveAt("http://m/security"), mirrors)?.archive, "debian-security")
    for (const base of ["http://m/debian-elsewhere", "http://elsewhere/debian"]) {
      assert.isUndefined(parseSourceUris(archiveAt(base), mirrors), base)
    }
    assert.isUndefined(parseSourceUris(archiveAt("http://m/debian").replace("SHA256", "MD5Sum"), mirrors))
  })

  it("is looked up in lists of sources", () => {
    const sources = { keyring: "/k.gpg", mirrors: { "debian": "http://m/debian", "debian-security": undefined } }
    assert.deepStrictEqual(sourceLines(sources, "trixie", true, ["main"], "deb-src"), [
      "deb-src [signed-by=/k.gpg] http://m/debian trixie main"
    ])
  })
})
