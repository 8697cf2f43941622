import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Journal from "../../src/image/Journal.ts"
import * as JournalRecord from "../../src/image/JournalRecord.ts"
import {
  type FieldName,
  fieldNames,
  iconCapacity,
  journal,
  reservedSize,
  slots
} from "../../src/image/ReservedLayout.ts"
import { readOnce } from "../../src/image/ReservedReader.ts"
import { type Fields, Settings } from "../../src/image/Settings.ts"
import { NativeBytes } from "../../src/platform/NativeBytes.ts"
import { nativeBytes } from "../support/Platform.ts"
import {
  applyStage,
  imageOf,
  planOf,
  recoveryOf,
  reservedOffset,
  slotOf,
  sourceOf,
  writeTo
} from "./ReservedSpaceFixture.ts"

const sector = 512
const timeout = 300_000

/** Bytes that no compression makes smaller. */
const noise = (length: number, seed: number) => {
  let state = seed
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state, 1_103_515_245) + 12_345 >>> 0
    return state >>> 16 & 0xff
  })
}

interface Case {
  readonly name: string
  readonly before: Partial<Fields>
  readonly after: Partial<Fields>
}

const variables = (count: number, value: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`VARIABLE_${index}`, value.repeat(index % 7)]))

const cases: ReadonlyArray<Case> = [
  { name: "a byte", before: { notify: false }, after: { notify: true } },
  { name: "permissions", before: { permissions: ["home"] }, after: { permissions: ["gpu", "network"] } },
  { name: "a first variable", before: {}, after: { environment: { A: "b" } } },
  { name: "a long first variable", before: {}, after: { environment: { A: "b".repeat(9_000) } } },
  {
    name: "variables over several sectors",
    before: { environment: variables(300, "old") },
    after: { environment: variables(290, "newer") }
  },
  { name: "fewer variables", before: { environment: variables(200, "x") }, after: { environment: {} } },
  {
    name: "several fields",
    before: { boot: { program: "bash", args: [] }, bindings: [], casefold: false },
    after: {
      boot: { program: "sh", args: ["-c", "x".repeat(3000)] },
      bindings: [{ type: "ro", src: "/a", dst: "/b" }],
      casefold: true
    }
  },
  {
    name: "an icon, which needs the end of the file",
    before: { icon: { extension: "png", data: noise(iconCapacity - 5, 1) } },
    after: { icon: { extension: "svg", data: noise(iconCapacity, 2) } }
  }
]

const read = (image: () => Buffer, fields: ReadonlyArray<FieldName>) => {
  const bytes = Effect.runSync(Effect.provideService(readOnce(sourceOf(image), fields), NativeBytes, nativeBytes))
  assert.isDefined(bytes)
  return bytes
}

interface Expected {
  readonly field: FieldName
  readonly old: Uint8Array
  readonly new: Uint8Array
}

const expectedOf = ({ after, before }: Case): ReadonlyArray<Expected> =>
  (Object.keys(after) as Array<FieldName>).map((field) => ({
    field,
    old: field in before ? slotOf(field, before[field] as never) : new Uint8Array(slots[field].size),
    new: slotOf(field, after[field] as never)
  }))

/** `old` or `new`; anything else fails. */
const stateOf = (image: () => Buffer, expected: ReadonlyArray<Expected>): "old" | "new" => {
  const bytes = read(image, expected.map(({ field }) => field))
  const states = new Set(expected.map((slots) => {
    const found = Buffer.alloc(slots.new.length)
    found.set(bytes.get(slots.field)!)
    return found.equals(slots.new) ? "new" : found.equals(slots.old) ? "old" : "mixed"
  }))
  assert.lengthOf(states, 1)
  assert.isFalse(states.has("mixed"))
  return states.has("new") ? "new" : "old"
}

/** Each write of a stage in pieces that end at the sectors of the disk. */
const pieces = (write: Journal.Write): ReadonlyArray<Journal.Write> => {
  const found: Array<Journal.Write> = []
  for (let at = 0; at < write.bytes.length;) {
    const end = Math.min(write.bytes.length, at + sector - (write.offset + at) % sector)
    found.push({ offset: write.offset + at, bytes: write.bytes.subarray(at, end) })
    at = end
  }
  return found
}

/** Finishes what was left, and the fields stand in their places: no journal is needed any more. */
const recovered = (image: Buffer): Buffer => recoveryOf(image).stages.reduce(applyStage, Buffer.from(image))

const withoutJournal = (image: Buffer): Buffer =>
  Buffer.from(image).fill(0, reservedOffset + journal.offset, reservedOffset + reservedSize)

/** Not the first write: its journal has the record of an earlier one. */
const startOf = ({ before }: Case): Buffer => {
  const image = imageOf(before)
  return planOf(image, { extension: { distribution: "EARLIER", portal: [] } }).reduce(applyStage, image)
}

describe.each(cases)("a write of $name", (example) => {
  const start = startOf(example)
  const stages = planOf(start, example.after)
  const expected = expectedOf(example)

  it("is complete after its stages, and leaves the size of the file", () => {
    const end = stages.reduce(applyStage, Buffer.from(start))
    assert.strictEqual(stateOf(() => end, expected), "new")
    assert.strictEqual(stateOf(() => withoutJournal(end), expected), "new")
    assert.strictEqual(end.length, start.length)
    assert.isEmpty(recoveryOf(end).stages)
  })

  it.each(["forwards", "backwards"])("cut at any sector, written %s, is old or new", (order) => {
    let image: Buffer = Buffer.from(start)
    const seen: Array<string> = [stateOf(() => image, expected)]
    for (const stage of stages) {
      if (stage._tag === "Truncate") {
        image = applyStage(image, stage)
        seen.push(stateOf(() => image, expected))
        continue
      }
      const parts = stage.writes.flatMap(pieces)
      for (const part of order === "forwards" ? parts : [...parts].reverse()) {
        image = writeTo(image, part)
        seen.push(stateOf(() => image, expected))
      }
    }
    // Old up to one moment, new from then on.
    assert.deepStrictEqual(seen, [...seen].sort().reverse())
    assert.strictEqual(seen[0], "old")
    assert.strictEqual(seen.at(-1), "new")
  }, timeout)

  it("cut anywhere and then continued by the next writer, who is cut as well, is old or new", () => {
    let image: Buffer = Buffer.from(start)
    let count = 0
    const check = () => {
      const state = stateOf(() => image, expected)
      let again: Buffer = Buffer.from(image)
      for (const stage of recoveryOf(image).stages) {
        if (stage._tag === "Truncate") again = applyStage(again, stage)
        else {
          for (const part of stage.writes.flatMap(pieces).filter((_, index) => index % 97 === 0)) {
            again = writeTo(again, part)
          }
          assert.strictEqual(stateOf(() => again, expected), state)
          again = applyStage(again, stage)
        }
        assert.strictEqual(stateOf(() => again, expected), state)
      }
      assert.strictEqual(stateOf(() => withoutJournal(again), expected), state)
      assert.strictEqual(again.length, start.length)
      // And the next write works as if nothing had been.
      const other = planOf(again, { overlay: "unionfs" }).reduce(applyStage, again)
      assert.strictEqual(read(() => other, ["overlay"]).get("overlay")![0], 2)
      assert.strictEqual(stateOf(() => other, expected), state)
    }
    for (const stage of stages) {
      if (stage._tag === "Truncate") image = applyStage(image, stage)
      else {
        for (const part of stage.writes.flatMap(pieces)) {
          if (count++ % 61 === 0) check()
          image = writeTo(image, part)
        }
      }
      check()
    }
  }, timeout)

  it("keeps the layers where they are", () => {
    let image: Buffer = Buffer.from(start)
    for (const stage of stages) {
      image = applyStage(image, stage)
      assert.isTrue(
        image.subarray(reservedOffset + reservedSize, start.length).equals(
          start.subarray(reservedOffset + reservedSize)
        )
      )
      // What follows the last layer looks like the end of the layers.
      assert.isTrue(image.subarray(start.length).subarray(0, 8).every((byte) => byte === 0))
    }
  })
})

describe("a reader that meets a writer", () => {
  const chosen = cases.filter(({ name }) => name !== "an icon, which needs the end of the file")
  const icon = cases.filter(({ name }) => name === "an icon, which needs the end of the file")

  it.each([...chosen, ...icon])("$name: between any two reads, reads old or new, or starts again", (example) => {
    const start = startOf(example)
    const expected = expectedOf(example)
    // The finest steps that others can see: each write on its own, the changes of a field in pieces.
    const steps: Array<(image: Buffer) => Buffer> = planOf(start, example.after).flatMap((stage) =>
      stage._tag === "Truncate"
        ? [(image: Buffer) => applyStage(image, stage)]
        : stage.writes.flatMap((write) => {
          const quarter = Math.ceil(write.bytes.length / 4)
          return [0, 1, 2, 3].map((index) => (image: Buffer) =>
            writeTo(image, {
              offset: write.offset + index * quarter,
              bytes: write.bytes.subarray(index * quarter, (index + 1) * quarter)
            })
          )
        })
    )
    const read = (begin: number, at: number, by: number): boolean => {
      let image: Buffer = steps.slice(0, begin).reduce<Buffer>((before, step) => step(before), Buffer.from(start))
      let reads = 0
      const source = sourceOf(() => image)
      const watched = {
        ...source,
        file: {
          ...source.file,
          read: (buffer: Uint8Array, options?: FileSystem.File.ReadOptions) =>
            Effect.tap(source.file.read(buffer, options), () =>
              Effect.sync(() => {
                if (++reads === at) {
                  image = steps.slice(begin, begin + by).reduce<Buffer>((before, step) => step(before), image)
                }
              }))
        }
      }
      const bytes = Effect.runSync(
        Effect.provideService(readOnce(watched, expected.map(({ field }) => field)), NativeBytes, nativeBytes)
      )
      if (bytes === undefined) return true
      const seen = new Set(expected.map((slots) => {
        const found = Buffer.alloc(slots.new.length)
        found.set(bytes.get(slots.field)!)
        return found.equals(slots.new) ? "new" : found.equals(slots.old) ? "old" : "mixed"
      }))
      assert.lengthOf(seen, 1)
      assert.isFalse(seen.has("mixed"))
      return false
    }
    let again = 0
    for (let begin = 0; begin < steps.length; begin++) {
      for (let at = 1; at <= 6; at++) {
        for (const by of [1, 2, steps.length - begin]) if (read(begin, at, by)) again++
      }
    }
    assert.isAbove(again, 0)
  }, timeout)
})

describe("a power cut that loses what was not synced", () => {
  it("may lose the mark that a record is settled", () => {
    const [first] = cases.filter(({ name }) => name === "several fields") as [Case]
    const start = imageOf(first.before)
    const expected = expectedOf(first)
    const synced = planOf(start, first.after).filter((stage) => stage._tag !== "Write" || stage.sync)
    const image = synced.reduce(applyStage, Buffer.from(start))
    assert.strictEqual(stateOf(() => image, expected), "new")
    assert.strictEqual(stateOf(() => recovered(image), expected), "new")
  })
})

describe("another program, which does not know of the journal,", () => {
  it("is believed once a record is settled", () => {
    const start = imageOf()
    const image = planOf(start, { environment: { A: "ours" } }).reduce(applyStage, start)
    image.set(slotOf("environment", { A: "theirs" }), reservedOffset + slots.environment.offset)
    const bytes = read(() => image, ["environment"]).get("environment")!
    assert.include(Buffer.from(bytes).toString(), "theirs")
    assert.isEmpty(recoveryOf(image).stages)
  })

  it("does not lose a layer that it appended where a tail was", () => {
    const start = imageOf()
    const stages = planOf(start, { icon: { extension: "png", data: noise(iconCapacity, 3) } })
    const done = stages.reduce(applyStage, Buffer.from(start))
    const appended = Buffer.concat([done, Buffer.from("\x06\0\0\0\0\0\0\0DWARFS", "latin1")])
    assert.isEmpty(recoveryOf(appended).stages)
  })
})

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const arbitraryBytes = Arbitrary.map(
  Arbitrary.array(Arbitrary.schema(Byte), { maxLength: 400 }),
  (bytes) => Uint8Array.from(bytes)
)
const runs = { arbitrary: { runs: 1000 }, timeout }

describe("the journal", () => {
  it.prop("any bytes in it leave the settings as they are", { bytes: arbitraryBytes }, ({ bytes }) => {
    const image = shared
    image.set(bytes, reservedOffset + journal.offset)
    const slot = read(() => image, ["environment"]).get("environment")!
    image.fill(0, reservedOffset + journal.offset, reservedOffset + journal.offset + 512)
    assert.include(Buffer.from(slot).toString(), "{\"KEPT\":\"yes\"}")
    recoveryOf(image)
  }, runs)

  it.prop("any bytes after a sound header are a record or none", { bytes: arbitraryBytes }, ({ bytes }) => {
    const [record] = planOf(shared, { notify: true })
    assert.isTrue(record?._tag === "Write")
    const header = JournalRecord.parseHeader(
      nativeBytes,
      (record as Extract<Journal.Stage, { _tag: "Write" }>).writes[0]!.bytes
    )
    assert.isTrue(
      Result.isFailure(JournalRecord.decodePayload(nativeBytes, { ...header, length: bytes.length }, bytes))
    )
  }, runs)

  it.prop(
    "a write of one field changes no byte of another",
    { field: Schema.Literals(fieldNames.filter((name) => name !== "icon")), settings: Settings },
    ({ field, settings }) => {
      const image = Buffer.from(shared)
      const { offset, size } = slots[field]
      const end = planOf(shared, { [field]: settings[field] }).reduce(applyStage, image)
      const [from, to] = [reservedOffset + offset, reservedOffset + offset + size]
      assert.isTrue(end.subarray(0, from).equals(shared.subarray(0, from)))
      const settingsEnd = reservedOffset + journal.offset
      assert.isTrue(end.subarray(to, settingsEnd).equals(shared.subarray(to, settingsEnd)))
      assert.isTrue(end.subarray(reservedOffset + reservedSize).equals(shared.subarray(reservedOffset + reservedSize)))
      assert.isTrue(end.subarray(from, to).equals(slotOf(field, settings[field] as never)))
    },
    runs
  )

  it.prop("patches lay bytes over bytes", {
    bytes: arbitraryBytes,
    at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300 }))
  }, ({ at, bytes }) => {
    const target = new Uint8Array(700).fill(9)
    JournalRecord.overlay(target, 100, JournalRecord.patchesOf(nativeBytes, 100 + at, bytes))
    const expected = new Uint8Array(700).fill(9)
    expected.set(bytes, at)
    assert.deepStrictEqual(target, expected)
    const outside = new Uint8Array(50).fill(9)
    JournalRecord.overlay(outside, 100 + at + bytes.length, JournalRecord.patchesOf(nativeBytes, 100 + at, bytes))
    assert.deepStrictEqual(outside, new Uint8Array(50).fill(9))
  }, runs)

  it.prop("runs of 64 zeros and more are in no patch, shorter ones are", { runs: Runs }, ({ runs }) => {
    const bytes = bytesOf(runs)
    const patches = JournalRecord.patchesOf(nativeBytes, 0, bytes)
    const rebuilt = Buffer.concat(patches.flatMap(({ data, length }) => [data, Buffer.alloc(length - data.length)]))
    assert.isTrue(rebuilt.equals(bytes))
    for (const [index, { data, length }] of patches.entries()) {
      assert.notInclude(Buffer.from(data).toString("latin1"), "\0".repeat(64))
      assert.notStrictEqual(data.at(-1), 0)
      if (index > 0) assert.notStrictEqual(data[0], 0)
      if (index < patches.length - 1) assert.isAtLeast(length - data.length, 64)
    }
  })

  it.prop("writes what differs, and joins what is near", { runs: Runs, others: Runs }, ({ others, runs }) => {
    const [before, after] = [bytesOf(runs), bytesOf(others)].map((bytes) => {
      const slot = Buffer.alloc(30_000)
      bytes.copy(slot)
      return slot
    }) as [Buffer, Buffer]
    const options = { reservedOffset, header: recoveryOf(shared).header, fileSize: shared.length }
    const stages = Journal.plan(nativeBytes, { ...options, changes: [{ offset: 0, before, after }] })
    const [, change] = stages.filter((stage) => stage._tag === "Write" && stage.sync)
    const writes = change?._tag === "Write" ? change.writes : []
    const places = [...after.keys()].filter((index) => before[index] !== after[index])
    const expected: Array<{ start: number; end: number }> = []
    for (const place of places) {
      const last = expected.at(-1)
      if (last === undefined || place - last.end + 1 > 512) expected.push({ start: place, end: place + 1 })
      else last.end = place + 1
    }
    assert.deepStrictEqual(
      writes.map(({ bytes, offset }) => ({ offset, bytes: Buffer.from(bytes).toString("hex") })),
      expected.map(({ end, start }) => ({
        offset: reservedOffset + start,
        bytes: after.subarray(start, end).toString("hex")
      }))
    )
  })

  it("writes nothing when nothing changes", () => {
    assert.isEmpty(planOf(shared, { environment: { KEPT: "yes" } }))
  })

  it("a record that reaches outside the settings is none", () => {
    const image = Buffer.from(shared)
    const stages = Journal.plan(nativeBytes, {
      reservedOffset,
      header: recoveryOf(image).header,
      fileSize: image.length,
      changes: [{ offset: journal.offset - 4, before: new Uint8Array(8), after: new Uint8Array(8).fill(1) }]
    })
    const torn = applyStage(image, stages[0]!)
    assert.isUndefined(recoveryOf(torn).pending)
  })
})

/** Runs of one byte, mostly of zeros, some longer than the blocks that are compared at once. */
const Runs = Schema.Array(Schema.Struct({
  byte: Schema.Literals([0, 0, 1]),
  length: Schema.Literals([1, 2, 62, 63, 64, 65, 500, 512, 513, 1024, 4095, 4096, 9000])
})).check(Schema.isMaxLength(8))

const bytesOf = (runs: typeof Runs.Type): Buffer =>
  Buffer.concat(runs.map(({ byte, length }) => Buffer.alloc(length, byte))).subarray(0, 30_000)

const shared = imageOf({ environment: { KEPT: "yes" } })
