import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname } from "node:path"
import { Programs } from "../../src/builder/Programs.ts"
import { Tarball } from "../../src/builder/Tarball.ts"
import { checkMembers, type Member, parseMember, stripMember, unpacking } from "../../src/builder/TarMembers.ts"
import { archive, entry } from "../support/Tar.ts"
import { TestBase } from "./TestServices.ts"

const TestLayer = Tarball.layer.pipe(Layer.provideMerge(TestBase))

const unpack = Effect.fnUntraced(function*(bytes: Uint8Array, name = "root.tar") {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* fs.writeFile(`${directory}/${name}`, bytes)
  yield* fs.makeDirectory(`${directory}/tree`)
  yield* fs.makeDirectory(`${directory}/outside`)
  const result = yield* Effect.result((yield* Tarball).unpack(`${directory}/${name}`, `${directory}/tree`))
  return { directory, result, outside: yield* fs.readDirectory(`${directory}/outside`) }
})

const unsafe: ReadonlyArray<readonly [name: string, entries: ReadonlyArray<Buffer>, expected: RegExp]> = [
  ["an absolute name", [entry("/tmp/x", "0")], /absolute name/],
  ["a name that climbs out", [entry("../x", "0")], /"\.\." in its name/],
  ["a name that climbs out in the middle", [entry("a/../../x", "0")], /"\.\." in its name/],
  ["a file through a link that climbs out", [entry("a", "2", "../../etc"), entry("a/x", "0")], /written through/],
  [
    "a file through a link that climbs out from below",
    [entry("a/b", "2", "../../x"), entry("a/b/x", "0")],
    /written through/
  ],
  [
    "a file written through an absolute link",
    [entry("a", "2", "/etc"), entry("a/passwd", "0", "", "x")],
    /written through a symbolic link/
  ],
  ["a directory in place of an absolute link", [entry("a", "2", "/etc"), entry("a", "5")], /written through/],
  ["a hard link to an absolute name", [entry("a", "1", "/etc/passwd")], /link out of the tree/],
  ["a hard link that climbs out", [entry("a", "1", "../x")], /link out of the tree/],
  ["a hard link through an absolute link", [entry("a", "2", "/etc"), entry("b", "1", "a/passwd")], /link out/],
  ["a device", [entry("disk", "4")], /device outside of \/dev/],
  ["a device in a directory like /dev", [entry("dev.d/disk", "4")], /device outside of \/dev/],
  ["a hard link through a link that climbs within the tree", [
    entry("a/b", "2", ".."),
    entry("x", "1", "a/b/../../etc/passwd")
  ], /link out of the tree/],
  ["a link in the place of a directory", [entry("a/", "5"), entry("a", "2", "/etc")], /place of a directory/],
  ["a link in the place of a directory with something in it", [
    entry("a/b", "0", "", "x"),
    entry("./a", "2", "b")
  ], /place of a directory/],
  ["a file in the place of a directory", [entry("a/b/c", "0"), entry("a/b", "0")], /place of a directory/],
  ["a second link that leads elsewhere, and a file through it", [
    entry("a", "2", "b"),
    entry("a", "2", "/tmp"),
    entry("a/x", "0")
  ], /place of a symbolic link/]
]

it.layer(TestLayer)("an archive", (it) => {
  it.effect("of a tree is unpacked, without devices, whatever it is compressed with", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      const bytes = archive(
        entry("./usr/bin/", "5"),
        entry("./bin", "2", "usr/bin"),
        entry("./usr/bin/tool", "0", "", "content"),
        entry("./usr/bin/same", "1", "./usr/bin/tool"),
        entry("./usr/bin/sh", "2", "/usr/bin/tool"),
        entry("./usr/up", "2", "../usr"),
        entry("./dev/", "5"),
        entry("./dev/null", "3")
      )
      for (const [name, program] of [["x.tar", ""], ["x.tar.gz", "gzip"], ["x.tar.xz", "xz"], ["x.tar.zst", "zstd"]]) {
        const directory = yield* fs.makeTempDirectoryScoped()
        yield* fs.writeFile(`${directory}/x.tar`, bytes)
        if (program !== "" && program !== undefined) yield* programs.run(program, ["-q", `${directory}/x.tar`])
        yield* fs.makeDirectory(`${directory}/tree`)
        yield* (yield* Tarball).unpack(`${directory}/${name}`, `${directory}/tree`)
        assert.strictEqual(yield* fs.readFileString(`${directory}/tree/bin/same`), "content")
        assert.strictEqual(yield* fs.readLink(`${directory}/tree/usr/bin/sh`), "/usr/bin/tool")
        assert.deepStrictEqual(yield* fs.readDirectory(`${directory}/tree/dev`), [])
      }
    }))

  it.effect.each(unsafe)("is refused for %s", ([, entries, expected]) =>
    Effect.gen(function*() {
      const { directory, outside, result } = yield* unpack(archive(entry("first", "0", "", "x"), ...entries))
      assert.isTrue(Result.isFailure(result))
      if (Result.isFailure(result)) {
        assert.strictEqual(result.failure.reason._tag, "UnsafeArchive")
        assert.match(result.failure.message, expected)
      }
      // It is refused before its first member is unpacked.
      const fs = yield* FileSystem.FileSystem
      assert.deepStrictEqual(yield* fs.readDirectory(`${directory}/tree`), [])
      assert.deepStrictEqual(outside, [])
    }))

  it.effect("is unpacked without the directories above its tree", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const bytes = archive(
        entry("pkglist.txt", "0", "", "list"),
        entry("root.x/", "5"),
        entry("root.x/etc/", "5"),
        entry("root.x/etc/a", "0", "", "a"),
        entry("root.x/etc/b", "1", "root.x/etc/a"),
        entry("root.x/etc/c", "2", "a"),
        entry("root.x/dev/null", "3")
      )
      yield* fs.writeFile(`${directory}/x.tar`, bytes)
      yield* fs.makeDirectory(`${directory}/tree`)
      const members = yield* (yield* Tarball).unpack(`${directory}/x.tar`, `${directory}/tree`, { strip: 1 })
      assert.deepStrictEqual(members.map(({ name }) => name), ["etc/", "etc/a", "etc/b", "etc/c", "dev/null"])
      assert.deepStrictEqual((yield* fs.readDirectory(`${directory}/tree`, { recursive: true })).toSorted(), [
        "etc",
        "etc/a",
        "etc/b",
        "etc/c"
      ])
      assert.strictEqual(yield* fs.readFileString(`${directory}/tree/etc/b`), "a")
    }))

  it.effect("that follows another one into a tree is judged by the links of that one too", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const tarball = yield* Tarball
      const directory = yield* fs.makeTempDirectoryScoped()
      yield* fs.makeDirectory(`${directory}/tree`)
      const put = (name: string, bytes: Uint8Array) => fs.writeFile(`${directory}/${name}`, bytes)
      yield* put("one.tar", archive(entry("lib", "2", "usr/lib"), entry("out", "2", "/etc"), entry("usr/lib/", "5")))
      yield* put("two.tar", archive(entry("lib/x", "0", "", "x")))
      yield* put("three.tar", archive(entry("out/passwd", "0", "", "x")))
      const state = unpacking()
      const unpack = (name: string) => tarball.unpack(`${directory}/${name}`, `${directory}/tree`, { unpacking: state })
      yield* unpack("one.tar")
      yield* unpack("two.tar")
      assert.isTrue(yield* fs.exists(`${directory}/tree/usr/lib/x`))
      assert.match(
        (yield* Effect.flip(unpack("three.tar"))).message,
        /through a symbolic link that leads out of the tree/
      )
    }))

  it.effect("may have links with more parents than there are, which lead to the root of the guest", () =>
    Effect.gen(function*() {
      const links = [
        entry("etc/deep", "2", "../../../../bin/sh"),
        entry("a", "2", "/usr/x"),
        entry("b", "2", "a"),
        entry("ring", "2", "ring")
      ]
      const { directory, result } = yield* unpack(archive(...links))
      assert.isTrue(Result.isSuccess(result))
      assert.strictEqual(readlinkSync(`${directory}/tree/etc/deep`), "../../../../bin/sh")
      assert.strictEqual(readlinkSync(`${directory}/tree/ring`), "ring")
    }))

  it.effect("that is none gives a failure", () =>
    Effect.gen(function*() {
      const { result } = yield* unpack(Buffer.from("no archive at all".repeat(100)))
      assert.isTrue(Result.isFailure(result) && result.failure.reason._tag === "ProgramFailed")
    }))
})

const strip = (name: string, count: number) => stripMember({ type: "-", name, target: undefined }, count)?.name

describe("a member without the first parts of its name", () => {
  it("is what tar makes of it", () => {
    assert.deepStrictEqual([strip("a/b", 1), strip("./a/b", 1), strip("a//b", 1)], ["b", "a/b", "b"])
    assert.deepStrictEqual([strip("a", 1), strip("a/", 1), strip("a/b", 2)], [undefined, undefined, undefined])
    assert.deepStrictEqual([strip("/a/b", 1), strip("a/../../b", 1)], ["/a/b", "a/../../b"])
  })
})

describe("a line of a listing", () => {
  it("is read with strange names", () => {
    assert.deepStrictEqual(parseMember("-rw-r--r-- 0/0   7 2026-01-01 00:00 \"a \\\"b\\\" -> \\n\\303\\251\""), {
      type: "-",
      name: "a \"b\" -> \n\u00c3\u00a9",
      target: undefined
    })
    assert.deepStrictEqual(parseMember("lrwxrwxrwx 0/0   0 2026-01-01 00:00 \"a\" -> \"b -> \\tc\""), {
      type: "l",
      name: "a",
      target: "b -> \tc"
    })
    assert.deepStrictEqual(parseMember("hrw-r--r-- 0/0   0 2026-01-01 00:00 \"a\" link to \"../b\""), {
      type: "h",
      name: "a",
      target: "../b"
    })
    assert.strictEqual(parseMember("tar: something else"), undefined)
  })

  it.prop("is read or refused, whatever it is", [Schema.String], ([text]) => {
    parseMember(text)
    parseMember(`-rw-r--r-- 0/0 1 2026-01-01 00:00 "${text}"`)
  }, { arbitrary: { runs: 300 } })
})

const link = (name: string, target: string): Member => ({ type: "l", name, target })
const refused = (...members: ReadonlyArray<Member>) => Result.isFailure(checkMembers("x", members))

/** Unpacks as a careless program would, until it would leave the directory: then it says so. */
const unpackCarelessly = (tree: string, members: ReadonlyArray<Member>): string | undefined => {
  for (const { name, target = "", type } of members) {
    const path = `${tree}/${name}`
    const parent = type === "d" ? path : dirname(path)
    try {
      mkdirSync(parent, { recursive: true })
    } catch {
      continue
    }
    const real = realpathSync(parent)
    if (real !== tree && !real.startsWith(`${tree}/`)) return `${name} is written to ${real}`
    try {
      if (type === "-") writeFileSync(path, "", { flag: "wx" })
      if (type === "l") symlinkSync(target, path)
    } catch {
      continue
    }
  }
  return undefined
}

describe("members", () => {
  const arbitraryMember = Arbitrary.map(
    Arbitrary.all([
      Arbitrary.schema(Schema.Literals(["-", "d", "l", "h"])),
      Arbitrary.array(Arbitrary.schema(Schema.Literals(["a", "b", ".", "..", ""])), { minLength: 1, maxLength: 4 }),
      Arbitrary.array(Arbitrary.schema(Schema.Literals(["a", "b", ".", "..", ""])), { minLength: 1, maxLength: 4 })
    ]),
    ([type, name, target]): Member => ({
      type,
      name: name.join("/"),
      target: type === "l" || type === "h" ? target.join("/") : undefined
    })
  )

  it.prop("that are accepted stay within the tree, even when they are unpacked without care", [
    Arbitrary.array(arbitraryMember, { maxLength: 8 })
  ], ([members]) => {
    if (Result.isFailure(checkMembers("x", members))) return
    const base = mkdtempSync(`${realpathSync(tmpdir())}/flatimage-tar-`)
    mkdirSync(`${base}/tree`)
    try {
      assert.strictEqual(unpackCarelessly(`${base}/tree`, members), undefined)
      assert.deepStrictEqual(readdirSync(base), ["tree"])
    } finally {
      rmSync(base, { recursive: true })
    }
  }, { arbitrary: { runs: 2000 } })

  it("are judged by where their links lead, not by how they are written", () => {
    assert.isFalse(refused(link("x/y/up", "../..")))
    assert.isFalse(refused(link("x/y/up", "../.."), link("x/y/out", "up/..")))
    const through = { type: "-", name: "x/y/out/f", target: undefined }
    assert.isTrue(refused(link("x/y/up", "../.."), link("x/y/out", "up/.."), through))
    assert.isTrue(refused(link("b", "b/a/../.."), { type: "-", name: "b/b", target: undefined }))
    assert.isTrue(refused(link("./", "usr")))
    assert.isTrue(refused(link("a", "/etc"), link("a", "b")))
    assert.isTrue(refused(link("a", "/etc/passwd"), { type: "-", name: "a", target: undefined }))
    assert.isFalse(refused(link("a", "b"), link("a", "b")))
    assert.isFalse(refused({ type: "d", name: "./", target: undefined }))
    // As the names of certificates by their hashes are: `hash.0 -> NAME.pem -> /usr/share/…`.
    assert.isFalse(refused(link("a", "/usr/share/a"), link("b", "a")))
    assert.isFalse(refused(link("a", "/usr"), link("b", "a/../..")))
    assert.isTrue(refused(link("a", "/usr"), link("b", "a"), { type: "-", name: "b/x", target: undefined }))
    assert.isFalse(refused(link("bin", "usr/bin"), { type: "-", name: "bin/sh", target: undefined }))
  })
})
