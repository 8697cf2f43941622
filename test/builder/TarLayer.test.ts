/** Layers of tar archives, made by the project's own programs and read back through them. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { digestOf } from "../support/Containers.ts"
import { projectRoot } from "../support/Project.ts"
import { archive, entry } from "../support/Tar.ts"

const native = `${projectRoot}/build/native`

const tarlayer = (...words: ReadonlyArray<string>) => spawnSync(`${native}/tarlayer`, words, { maxBuffer: 1 << 28 })

/** A stack of layers in a directory that goes away with it. */
const stack = () => {
  const directory = mkdtempSync(`${tmpdir()}/fim-tar-`)
  const layers: Array<string> = []
  const below = () => layers.flatMap((layer) => ["--below", layer])
  return {
    directory,
    /** Packs an archive on top of the others. Out: what was said, and the summary. */
    pack: (tar: Uint8Array, ...options: ReadonlyArray<string>) => {
      const [path, file] = [`${directory}/${layers.length}.dwarfs`, `${directory}/layer.tar`]
      writeFileSync(file, tar)
      const { status, stderr, stdout } = tarlayer(
        "pack",
        "--archive",
        file,
        "--scratch",
        directory,
        ...below(),
        ...options,
        "--",
        `${native}/mkdwarfs`,
        "-i",
        "-",
        "-o",
        path,
        "-l",
        "1",
        "--progress",
        "never"
      )
      if (status === 0) layers.push(path)
      const left = readdirSync(directory).filter((name) => !/^(layer\.tar|\d+\.dwarfs)$/.test(name))
      assert.deepStrictEqual(left, [])
      return { status, said: stderr.toString(), summary: status === 0 ? JSON.parse(stdout.toString()) : undefined }
    },
    list: (only = layers) =>
      tarlayer("list", ...only.flatMap((layer) => ["--below", layer])).stdout.toString("latin1").split("\n").slice(
        0,
        -1
      ),
    read: (path: string) => tarlayer("read", ...below(), "--path", path).stdout.toString(),
    layer: (index: number) => layers[index] ?? "",
    tarlayer,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true })
  }
}

/** A header of POSIX's extensions with these records, whose values may be any bytes. */
const pax = (...records: ReadonlyArray<readonly [key: string, value: string]>): Buffer =>
  entry(
    "pax",
    "x",
    "",
    Buffer.concat(records.map(([key, value]) => {
      const body = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value, "latin1"), Buffer.from("\n")])
      let length = body.length + 1
      while (String(length).length + body.length !== length) length++
      return Buffer.concat([Buffer.from(String(length)), body])
    }))
  )

/** A header in which `change` sets fields, with its checksum made anew. */
const changed = (header: Buffer, change: (header: Buffer) => void): Buffer => {
  change(header)
  header.write("        ", 148)
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return header
}

const file = (name: string, content = "x") => entry(name, "0", "", content, 0o644)
const directory = (name: string, mode = 0o755) => entry(name, "5", "", "", mode)

const octal = (value: number) => `${value.toString(8).padStart(11, "0")}\0`

describe("a layer of an archive", () => {
  it("has names, types, owners, times, links and contents as they are", () => {
    using layers = stack()
    const sound = layers.pack(archive(
      pax(["path", "a\nb\xff"], ["uid", "4000000000"], ["gid", "7"], ["mtime", "1700000000.75"], [
        "SCHILY.xattr.user.x",
        "1\n2"
      ]),
      entry("short", "0", "", "content", 0o4755),
      entry("link", "2", "../no where"),
      entry("./a", "0", "", "of a"),
      entry("/second", "1", "./a"),
      entry("fifo", "6"),
      entry("disk", "4"),
      entry("L", "L", "", `${"long/".repeat(60)}name\0`),
      entry("cut", "0", "", "far"),
      entry("old/", "0")
    ))
    assert.strictEqual(sound.status, 0, sound.said)
    assert.deepStrictEqual([sound.summary.withAttributes, sound.summary.attributes], [1, ["user.x"]])
    const listed = layers.list()
    const far = Array.from({ length: 60 }, (_, index) => `/${"long/".repeat(index + 1)}`.slice(0, -1))
    assert.deepStrictEqual(listed, [
      "d 755 0:0 0 /",
      "- 755 0:0 0 4 /a",
      "- 4755 4000000000:7 1700000000 7 /a\\nb\\xff",
      "b 755 0:0 0 1:3 /disk",
      "p 755 0:0 0 /fifo",
      "l 755 0:0 0 /link -> ../no where",
      ...far.map((path) => `d 755 0:0 0 ${path}`),
      `- 755 0:0 0 3 ${far.at(-1)}/name`,
      "d 755 0:0 0 /old",
      "= /second -> /a"
    ])
    assert.strictEqual(layers.read(`${far.at(-1)}/name`), "far")
    assert.strictEqual(layers.read("/second"), "of a")
  })

  it("is for who reads it the same, however it is compressed", () => {
    const tar = archive(file("a", "content"))
    const digest = ["--digest", digestOf(tar).slice(7)]
    const xz = spawnSync("xz", ["-c"], { input: tar }).stdout
    const twice = Buffer.concat([gzipSync(tar.subarray(0, 600)), gzipSync(tar.subarray(600))])
    for (const bytes of [tar, gzipSync(tar), twice, zstdCompressSync(tar), xz]) {
      using layers = stack()
      const { said, status } = layers.pack(bytes, ...digest)
      assert.strictEqual(status, 0, said)
      assert.strictEqual(layers.read("a"), "content")
    }
    using layers = stack()
    const limited = layers.pack(gzipSync(Buffer.alloc(10_000_000)), "--limit", "1000000")
    assert.include(limited.said, "has more than 1000000 bytes without compression: to allow more add --max-size")
    const wrong = layers.pack(gzipSync(tar), "--digest", "0".repeat(64))
    assert.match(wrong.said, /the SHA-256 of its content is [0-9a-f]{64}, not 0{64}/)
    for (const cut of [gzipSync(tar).subarray(0, 40), zstdCompressSync(tar).subarray(0, 30), xz.subarray(0, 50)]) {
      assert.include(layers.pack(cut).said, "which is damaged")
    }
  })

  it("keeps holes of all kinds of archives", () => {
    using layers = stack()
    const big = 5 << 20
    // Offsets and lengths of stored parts; the last one ends the file.
    const parts = [[0, 3], [big, 4], [2 * big, 0]] as const
    const numbers = parts.flat()
    const map = `${[parts.length, ...numbers].join("\n")}\n`
    const stored = "abcdefg"
    const gnu = changed(entry("gnu", "S", "", stored), (header) => {
      header.write("ustar  \0", 257)
      parts.forEach(([offset, length], index) => {
        header.write(octal(offset), 386 + 24 * index)
        header.write(octal(length), 398 + 24 * index)
      })
      header.write(octal(2 * big), 483)
    })
    const size = String(2 * big)
    const tar = archive(
      gnu,
      pax(
        ["GNU.sparse.size", size],
        ["GNU.sparse.numblocks", "3"],
        ...parts.flatMap(([offset, length]) =>
          [["GNU.sparse.offset", String(offset)], ["GNU.sparse.numbytes", String(length)]] as const
        )
      ),
      file("p00", stored),
      pax(["GNU.sparse.size", size], ["GNU.sparse.map", numbers.join(",")], ["GNU.sparse.name", "p01"]),
      file("GNUSparseFile.0/p01", stored),
      pax(["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.name", "p10"], [
        "GNU.sparse.realsize",
        size
      ]),
      entry(
        "GNUSparseFile.0/p10",
        "0",
        "",
        Buffer.concat([Buffer.from(map.padEnd(512, "\0")), Buffer.from(stored)]),
        0o644
      )
    )
    const { said, status, summary } = layers.pack(tar)
    assert.strictEqual(status, 0, said)
    assert.strictEqual(summary.bytes, 8 * big)
    for (const name of ["gnu", "p00", "p01", "p10"]) {
      const content = layers.tarlayer("read", "--below", layers.layer(0), "--path", name, "--limit", size).stdout
      assert.strictEqual(content.length, 2 * big, name)
      assert.deepStrictEqual([content.toString("latin1", 0, 4), content.toString("latin1", big, big + 5)], [
        "abc\0",
        "defg\0"
      ])
    }
    assert.isBelow(readFileSync(layers.layer(0)).length, 100_000)
  })

  it("deletes what the layers below have", () => {
    using layers = stack()
    layers.pack(archive(
      directory("d/", 0o750),
      file("d/a"),
      file("d/b"),
      directory("d/sub/"),
      file("d/sub/x"),
      file("gone"),
      directory("new/"),
      file("new/old"),
      directory("kept/", 0o700),
      file("kept/a")
    ))
    const { said, status } = layers.pack(archive(
      file(".wh.gone", ""),
      file(".wh.never", ""),
      // Opaque, and what it has itself stays, also where the mark comes behind it.
      file("d/b", "new b"),
      directory("d/sub/"),
      file("d/sub/y"),
      file("d/.wh..wh..opq", ""),
      // Removed and made again.
      file(".wh.new", ""),
      directory("new/"),
      file("new/fresh"),
      // Says nothing of its parent.
      file("kept/b"),
      file(".wh..wh.plnk/1.2", "")
    ))
    assert.strictEqual(status, 0, said)
    assert.deepStrictEqual(layers.list([layers.layer(1)]), [
      "d 755 0:0 0 /",
      "d 750 0:0 0 /d",
      "c 0 0:0 0 0:0 /d/a",
      "- 644 0:0 0 5 /d/b",
      "d 755 0:0 0 /d/sub",
      "c 0 0:0 0 0:0 /d/sub/x",
      "- 644 0:0 0 1 /d/sub/y",
      "c 0 0:0 0 0:0 /gone",
      "d 700 0:0 0 /kept",
      "- 644 0:0 0 1 /kept/b",
      "c 0 0:0 0 0:0 /never",
      "d 755 0:0 0 /new",
      "- 644 0:0 0 1 /new/fresh",
      "c 0 0:0 0 0:0 /new/old"
    ])
    const names = layers.list().map((line) => line.split(" ").at(-1))
    assert.deepStrictEqual(names, [
      "/",
      "/d",
      "/d/b",
      "/d/sub",
      "/d/sub/y",
      "/kept",
      "/kept/a",
      "/kept/b",
      "/new",
      "/new/fresh"
    ])
    assert.strictEqual(layers.read("d/b"), "new b")
    // The lowest layer has nothing to delete.
    using lowest = stack()
    lowest.pack(archive(file(".wh.gone", ""), file("d/.wh..wh..opq", "")))
    assert.deepStrictEqual(lowest.list(), ["d 755 0:0 0 /", "d 755 0:0 0 /d"])
  })

  it("is never read through a link that leads out", () => {
    using layers = stack()
    layers.pack(archive(
      entry("out", "2", "../../../../../../etc/passwd"),
      entry("absolute", "2", "/etc/passwd"),
      entry("loop", "2", "loop"),
      directory("etc/"),
      file("etc/passwd", "inside")
    ))
    assert.deepStrictEqual(["out", "absolute", "loop", "etc", "none"].map(layers.read), [
      "inside",
      "inside",
      "",
      "",
      ""
    ])
  })

  it("is refused if it makes no sense", () => {
    const sound = file("a")
    const cases: ReadonlyArray<readonly [Uint8Array, RegExp]> = [
      [archive(file("a/../../b")), /'a\/\.\.\/\.\.\/b' has "\.\." in its name/],
      [archive(file("../b")), /has "\.\." in its name/],
      [archive(entry("l", "2", "/etc"), file("l/passwd")), /is below 'l', which is no directory/],
      [archive(file("f"), file("f/x")), /is below 'f', which is no directory/],
      [archive(entry("h", "1", "none")), /is a hard link to 'none', which is not in the same layer/],
      [archive(entry("h", "1", "/etc/passwd")), /is a hard link to '\/etc\/passwd'/],
      [archive(directory("d/"), entry("h", "1", "d")), /is a hard link to a directory/],
      [archive(entry("", "0", "", "x")), /takes the place of the tree itself/],
      [archive(file(".wh.", "")), /deletes nothing that can be/],
      [archive(file(".wh...", "")), /deletes nothing that can be/],
      [archive(file("x".repeat(90)), pax(["path", "y".repeat(300)]), file("b")), /a name of more than 255 bytes/],
      [archive(pax(["path", "y/".repeat(3000)]), file("b")), /a path has 6000 bytes/],
      [archive(pax(["path", "a\0b"]), file("b")), /has a zero byte in its name/],
      [archive(pax(["size", "99999999999"]), file("b")), /ends in the middle/],
      [archive(pax(["GNU.sparse.size", "10"], ["GNU.sparse.map", "5,10"]), file("b", "0123456789")), /behind its end/],
      [
        archive(pax(["GNU.sparse.size", "10"], ["GNU.sparse.map", "5,1"]), file("b", "01")),
        /another size than its content/
      ],
      [archive(entry("q", "Q")), /of the unknown type 'Q'/],
      [file("a", "x".repeat(400)).subarray(0, 700), /ends in the middle/],
      [Buffer.concat([Buffer.alloc(512), sound]), /a header that is not valid/],
      [changed(Buffer.from(sound), (header) => void header.write("zz", 124)).subarray(0, 1024), /is not valid/],
      [Buffer.from(sound).fill("9", 148, 154), /checksum|not valid/],
      [Buffer.from("BZh91AY&SY"), /compressed by bzip2/],
      [Buffer.alloc(100, "x"), /ends in the middle/]
    ]
    for (const [tar, expected] of cases) {
      using layers = stack()
      const { said, status } = layers.pack(tar)
      assert.strictEqual(status, 1, String(expected))
      assert.match(said, expected)
      assert.match(said, /^tarlayer: .*\n$/)
    }
  })
})

it("the files of an archive are written under numbers", () => {
  using layers = stack()
  writeFileSync(
    `${layers.directory}/layer.tar`,
    archive(
      file("../../etc/x", "one"),
      entry("l", "2", "/etc/passwd"),
      entry("h", "1", "../../etc/x"),
      directory("d/")
    )
  )
  const { stdout } = layers.tarlayer(
    "unfold",
    "--archive",
    `${layers.directory}/layer.tar`,
    "--scratch",
    layers.directory,
    "--into",
    layers.directory
  )
  assert.deepStrictEqual(JSON.parse(stdout.toString()).members, [
    { name: "../../etc/x", file: "0" },
    { name: "l", link: "/etc/passwd" },
    { name: "h", link: "/../../etc/x" },
    { name: "d/" }
  ])
  assert.deepStrictEqual(readdirSync(layers.directory).sort(), ["0", "layer.tar"])
  assert.strictEqual(readFileSync(`${layers.directory}/0`, "utf8"), "one")
})
