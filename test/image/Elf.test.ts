import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as Elf from "../../src/image/Elf.ts"
import { launcherLayout, smallLauncher } from "./SmallImage.ts"

const runs = { arbitrary: { runs: 500 } }

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const bytesOf = (maxLength: number) =>
  Arbitrary.map(Arbitrary.array(Arbitrary.schema(Byte), { maxLength }), (bytes) => Uint8Array.from(bytes))

// A dynamic program that every machine which runs this has.
const real = readFileSync("/bin/sh")

/** All that a reader asks of a file; a thrown exception fails the test. */
const readAll = (bytes: Uint8Array) => {
  const tables = Elf.tablesEnd(bytes)
  const elf = Elf.parse(bytes)
  if (Result.isSuccess(elf)) {
    Elf.section(elf.success, ".text")
    Elf.interpreter(elf.success, bytes)
    Elf.needed(elf.success, bytes)
    assert.isTrue(Number.isSafeInteger(elf.success.end))
  }
  return { tables, elf }
}

const mutated = (from: Uint8Array, changes: ReadonlyArray<{ readonly at: number; readonly value: number }>) => {
  const bytes = Uint8Array.from(from)
  for (const { at, value } of changes) bytes[at % bytes.length] = value
  return bytes
}

const changesWithin = (end: number) =>
  Arbitrary.array(
    Arbitrary.schema(
      Schema.Struct({ at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: end - 1 })), value: Byte })
    ),
    { minLength: 1, maxLength: 8 }
  )

describe("a program", () => {
  it("is read as it is", () => {
    const bytes = smallLauncher()
    const elf = Result.getOrThrow(Elf.parse(bytes))
    assert.strictEqual(elf.end, bytes.length)
    assert.strictEqual(elf.machine, 62)
    assert.deepStrictEqual(Elf.section(elf, ".fim_reserved_offset"), {
      name: ".fim_reserved_offset",
      type: 1,
      offset: launcherLayout.section,
      size: 8
    })
    assert.strictEqual(Elf.section(elf, ".text"), undefined)
    assert.strictEqual(Elf.interpreter(elf, bytes), undefined)
    assert.deepStrictEqual(Elf.needed(elf, bytes), Result.succeed([]))
  })

  it("ends where it ends although the file goes on", () => {
    const elf = Result.getOrThrow(Elf.parse(Buffer.concat([smallLauncher(), Buffer.alloc(100, 1)])))
    assert.strictEqual(elf.end, launcherLayout.end)
  })

  it("of the system names its loader and its libraries", () => {
    const elf = Result.getOrThrow(Elf.parse(real))
    assert.match(Elf.interpreter(elf, real) ?? "", /\/ld-.*\.so/)
    assert.include(Result.getOrThrow(Elf.needed(elf, real)), "libc.so.6")
    assert.strictEqual(elf.end, real.length)
  })

  it("can be read from as many bytes as tablesEnd asks for", () => {
    const bytes = smallLauncher()
    const end = Result.getOrThrow(Elf.tablesEnd(bytes.subarray(0, Elf.headerSize)))
    assert.strictEqual(Result.getOrThrow(Elf.parse(bytes.subarray(0, end))).end, bytes.length)
    assert.isTrue(Result.isFailure(Elf.parse(bytes.subarray(0, end - 1))))
  })
})

const reasonOf = (bytes: Uint8Array) => Result.merge(Result.map(Elf.parse(bytes), () => ({ reason: "none" }))).reason
const changed = (at: number, value: number) => mutated(smallLauncher(), [{ at, value }])

describe("a file that is no whole program", () => {
  it("is refused by reason", () => {
    assert.strictEqual(reasonOf(Buffer.from("#!/bin/sh\n")), "NotElf")
    assert.strictEqual(reasonOf(new Uint8Array()), "NotElf")
    assert.strictEqual(reasonOf(changed(0, 0)), "NotElf")
    assert.strictEqual(reasonOf(changed(4, 1)), "Unsupported")
    assert.strictEqual(reasonOf(changed(5, 2)), "Unsupported")
    assert.strictEqual(reasonOf(changed(54, 55)), "Unsupported")
    assert.strictEqual(reasonOf(changed(58, 63)), "Unsupported")
    assert.strictEqual(reasonOf(changed(39, 0xff)), "Truncated")
    assert.strictEqual(reasonOf(changed(64 + 39, 0xff)), "OutOfRange")
    assert.strictEqual(reasonOf(changed(launcherLayout.tables + 64 + 31, 0xff)), "OutOfRange")
  })

  it("is never read beyond its end: the real program cut at every boundary", () => {
    const elf = Result.getOrThrow(Elf.parse(real))
    const boundaries = [
      0,
      Elf.headerSize,
      ...elf.segments.flatMap((segment) => [segment.offset, segment.offset + segment.size]),
      ...elf.sections.flatMap((section) => [section.offset, section.offset + section.size]),
      ...elf.segments.map((_, index) => 64 + index * 56),
      ...elf.sections.map((_, index) => elf.end - index * 64)
    ]
    for (const boundary of boundaries) {
      for (const length of [boundary - 1, boundary, boundary + 1]) {
        if (length < 0 || length >= real.length) continue
        const { elf } = readAll(real.subarray(0, length))
        // Its section headers are the last bytes of the file, so that every cut goes through them.
        assert.isTrue(Result.isFailure(elf), `cut at ${length}`)
      }
    }
  })

  it("whose names of libraries are outside of it is refused", () => {
    const elf = Result.getOrThrow(Elf.parse(real))
    const dynamic = elf.segments.find((segment) => segment.type === 2)
    assert.isDefined(dynamic)
    const bytes = Buffer.from(real)
    // The value of the first entry, which is the name of a library.
    bytes.writeBigUInt64LE(0xffffffffffn, (dynamic?.offset ?? 0) + 8)
    assert.isTrue(Result.isFailure(Elf.needed(elf, bytes)))
    assert.isTrue(Result.isFailure(Elf.needed(elf, real.subarray(0, (dynamic?.offset ?? 0) + 8))))
  })

  it.prop("gives a value or a failure for any bytes", [bytesOf(300)], ([bytes]) => {
    readAll(bytes)
  }, runs)

  it.prop("gives a value or a failure for any bytes after the magic", [bytesOf(300)], ([bytes]) => {
    readAll(Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]), bytes]))
  }, runs)

  it.prop("gives a value or a failure for a small program with changes", [changesWithin(launcherLayout.end)], ([c]) => {
    readAll(mutated(smallLauncher(), c))
  }, runs)

  it.prop("gives a value or a failure for a real program with a changed header", [changesWithin(1024)], ([changes]) => {
    readAll(mutated(real, changes))
  }, runs)
})
