import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { admit, type Patient } from "../support/Damage.ts"
import { images, scenario } from "../support/Needs.ts"
import { self } from "../support/Users.ts"

const patience = 300_000

/** A bit near each end of a byte. */
const bits = [0x01, 0x10, 0x80]

/** Flips bits in each byte of a place. */
const flipAll = Effect.fnUntraced(function*(
  patient: Patient,
  offset: number,
  length: number,
  options?: { readonly cold?: boolean; readonly masks?: ReadonlyArray<number> }
) {
  const verdicts: Array<string> = []
  for (let index = 0; index < length; index++) {
    for (const mask of options?.masks ?? bits) verdicts.push(yield* patient.flip(offset + index, mask, options))
  }
  return verdicts
})

/** Numbers spread over a range, the same at every run. */
const spread = (from: number, to: number, count: number) =>
  Array.from({ length: count }, (_, index) => Math.floor(from + ((to - from) * (index + 0.5)) / count))

/**
 * Fields of the ELF header that the launcher reads, by offset and size. Where the program headers are and how many there
 * are the kernel reads first, and it ends such a program before any of its code runs.
 */
const headerFields = {
  sectionTable: [40, 8],
  programHeaderSize: [54, 2],
  sectionHeaderSize: [58, 2],
  sections: [60, 2]
} as const

/** An image whose ELF header the kernel refuses is not started at all, which is as clear as can be. */
const orNotExecutable = <A>(effect: Effect.Effect<A, { readonly message: string }>) =>
  Effect.catch(effect, (error) => {
    assert.match(error.message, /ENOEXEC|EACCES|Exec format/)
    return Effect.succeed("refused" as const)
  })

describe("an image with flipped bits gives a clear failure or runs right, in its", () => {
  scenario("ELF header", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      for (const [offset, size] of Object.values(headerFields)) {
        yield* orNotExecutable(flipAll(patient, offset, size))
      }
    }), patience)

  scenario("section headers", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      const header = patient.read(0, 64)
      const [table, count] = [Number(header.readBigUInt64LE(40)), header.readUInt16LE(60)]
      // Of the first, the last and some between: kind, offset and size.
      for (const index of [0, 1, 6, count - 1]) {
        for (const field of [4, 24, 29, 31, 32, 37, 39]) yield* patient.flip(table + index * 64 + field, 0x10)
      }
    }), patience)

  scenario("reserved offset", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      const value = Buffer.alloc(8)
      value.writeBigUInt64LE(BigInt(patient.part("reserved space").offset))
      const offset = patient.read(0, patient.part("head").size).indexOf(value)
      assert.isAbove(offset, 0)
      // Without a reserved offset the head is no head of an image: it says how it is used, which is clear as well.
      const verdicts = yield* flipAll(patient, offset, 8)
      assert.notInclude(verdicts, "sound")
    }), patience)

  scenario("size of the tool table", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      const verdicts = yield* flipAll(patient, patient.part("tool table").offset - 8, 8)
      assert.deepStrictEqual([...new Set(verdicts)], ["refused"])
    }), patience)

  scenario("tool table", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      const { offset, size } = patient.part("tool table")
      const text = patient.read(offset, size).toString("latin1")
      const fields = ["format", "commit", "timestamp", "path", "mode", "size", "sha256", "encoding", "applets"]
      const values = fields.map((name) => offset + text.indexOf(`"${name}"`) + name.length + 4)
      for (const position of [...spread(offset, offset + size, 20), ...values, offset, offset + size - 1]) {
        assert.include(["sound", "refused"], yield* patient.flip(position, 0x01))
        assert.include(["sound", "refused"], yield* patient.flip(position, 0x40))
      }
    }), patience)

  scenario("sizes of the tools", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      const tools = patient.parts.filter(({ name }) => /^(bin|lib)\//.test(name))
      assert.isAbove(tools.length, 10)
      for (const { offset } of tools) {
        for (const index of [0, 2, 7]) {
          const verdict = yield* patient.flip(offset - 8 + index, 0x04, { cold: true })
          assert.strictEqual(verdict, "refused")
        }
      }
    }), patience)

  scenario("tools", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      for (const { name, offset, size } of patient.parts.filter(({ name }) => /^(bin|lib)\//.test(name))) {
        const position = offset + Math.floor(size * 0.9)
        assert.strictEqual(yield* patient.flip(position, 0x08, { cold: true }), "refused", name)
      }
    }), patience)

  scenario("reserved space", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      const { offset } = patient.part("reserved space")
      const fields = [
        0,
        8,
        9,
        10,
        11,
        4_107,
        12_299,
        1_060_875,
        2_109_451,
        3_158_027,
        3_162_123,
        3_162_128,
        3_162_132,
        3_227_664
      ]
      for (const field of fields) {
        for (const mask of [0x01, 0x20, 0x80]) yield* patient.flip(offset + field, mask)
        yield* patient.patch(offset + field, Buffer.alloc(64, 0xff))
        yield* patient.patch(offset + field, Buffer.from("{\"a\":".repeat(800)))
      }
    }), patience)

  scenario("size of a layer", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      const verdicts = yield* flipAll(patient, patient.part("layer 0").offset - 8, 8)
      assert.deepStrictEqual([...new Set(verdicts)], ["refused"])
    }), patience)

  scenario("DwarFS section headers", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      const layer = patient.part("layer 0")
      // Magic, version, two checksums, number, kind and compression, length: 64 bytes in front of each section.
      const fields = [0, 5, 6, 7, 8, 39, 40, 47, 48, 51, 52, 53, 54, 55, 56, 57, 59, 63]
      for (let begin = layer.offset; begin < layer.offset + layer.size;) {
        const header = patient.read(begin, 64)
        assert.strictEqual(header.toString("latin1", 0, 6), "DWARFS")
        for (const field of fields) {
          for (const mask of [0x01, 0x80]) yield* patient.flip(begin + field, mask)
        }
        begin += 64 + Number(header.readBigUInt64LE(56))
      }
    }), patience)

  scenario("DwarFS sections", images, () =>
    Effect.gen(function*() {
      const patient = yield* admit(self)
      const { offset, size } = patient.part("layer 0")
      const ends = spread(offset + size - 4_000, offset + size, 16)
      for (const position of [...spread(offset, offset + size, 16), ...ends]) yield* patient.flip(position, 0x40)
    }), patience)
})

describe("an image that is cut off gives a clear failure or runs right,", () => {
  scenario(
    "at each border of its parts, one byte before and behind it, and between",
    images,
    () =>
      Effect.gen(function*() {
        const patient = yield* admit(self)
        const borders = patient.parts.flatMap(({ offset, size }) => [offset - 8, offset, offset + size])
        const near = [...new Set(borders)].flatMap((border) => [border - 1, border, border + 1])
        const lengths = [...near, ...spread(0, patient.size, 20)]
          // What is left of the head has to be a program for the kernel.
          .filter((length) => length >= patient.part("head").size && length < patient.size)
          .sort((left, right) => right - left)
        for (const length of new Set(lengths)) {
          // Between the reserved space and its end there is no layer that can be whole.
          assert.strictEqual(yield* patient.truncate(length), "refused", `cut off at ${length}`)
        }
      }),
    patience
  )
})
