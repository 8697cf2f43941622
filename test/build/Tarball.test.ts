import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname } from "node:path"
import { Programs } from "../../src/build/Programs.ts"
import { Tarball } from "../../src/build/Tarball.ts"
import { checkMembers, type Member, parseMember } from "../../src/build/TarMembers.ts"
import { TestBase } from "./TestServices.ts"

const TestLayer = Tarball.layer.pipe(Layer.provideMerge(TestBase))

/** One header of a tar archive with its content. Made by hand: no tar writes what the tests need. */
const entry = (name: string, type: string, link = "", content = ""): Buffer => {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write("0000755\0", 100)
  header.write("0000000\0", 108)
  header.write("0000000\0", 116)
  header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124)
  header.write("00000000000\0", 136)
  header.write("        ", 148)
  header.write(type, 156)
  header.write(link, 157)
  header.write("ustar\x0000", 257)
  if (type === "3" || type === "4") header.write("0000001\x000000003\0", 329)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return Buffer.concat([header, Buffer.from(content), Buffer.alloc((512 - content.length % 512) % 512)])
}

const archive = (...entries: ReadonlyArray<Buffer>) => Buffer.concat([...entries, Buffer.alloc(1024)])

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
  ["a link that climbs out", [entry("a", "2", "../../etc")], /leads out of the tree/],
  ["a link that climbs out from below", [entry("a/b", "2", "../../x")], /leads out of the tree/],
  [
    "a file written through an absolute link",
    [entry("a", "2", "/etc"), entry("a/passwd", "0", "", "x")],
    /written through a symbolic link/
  ],
  ["a directory in place of an absolute link", [entry("a", "2", "/etc"), entry("a", "5")], /written through/],
  ["a hard link to an absolute name", [entry("a", "1", "/etc/passwd")], /link out of the tree/],
  ["a hard link that climbs out", [entry("a", "1", "../x")], /link out of the tree/],
  ["a hard link through an absolute link", [entry("a", "2", "/etc"), entry("b", "1", "a/passwd")], /link out/],
  ["a device", [entry("disk", "4")], /device outside of \/dev/]
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

  it.effect("that is none gives a failure", () =>
    Effect.gen(function*() {
      const { result } = yield* unpack(Buffer.from("no archive at all".repeat(100)))
      assert.isTrue(Result.isFailure(result) && result.failure.reason._tag === "ProgramFailed")
    }))
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
    assert.isTrue(refused(link("x/y/up", "../.."), link("x/y/out", "up/..")))
    assert.isTrue(refused(link("b", "b/a/../.."), { type: "-", name: "b/b", target: undefined }))
    assert.isTrue(refused(link("./", "usr")))
    assert.isTrue(refused(link("a", "/etc"), link("a", "b")))
    assert.isTrue(refused(link("a", "/etc/passwd"), { type: "-", name: "a", target: undefined }))
    assert.isFalse(refused(link("a", "b"), link("a", "b")))
    assert.isFalse(refused({ type: "d", name: "./", target: undefined }))
    assert.isFalse(refused(link("bin", "usr/bin"), { type: "-", name: "bin/sh", target: undefined }))
  })
})
