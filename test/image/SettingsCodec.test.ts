import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type FieldName, fieldNames, iconCapacity, isBlank, isComplete, slots } from "../../src/image/ReservedLayout.ts"
import * as Settings from "../../src/image/Settings.ts"
import { decode, encode } from "../../src/image/SettingsCodec.ts"
import { defaults } from "../../src/image/SettingsDefaults.ts"

const runs = { arbitrary: { runs: 1000 }, timeout: 120_000 }

const valueOf = <A, E>(result: Result.Result<A, E>): A =>
  Result.getOrThrowWith(result, (failure) => new Error(JSON.stringify(failure)))

const failureOf = <A, E>(result: Result.Result<A, E>): E => {
  if (Result.isSuccess(result)) throw new Error("it succeeded")
  return result.failure
}

const canonical = (settings: Settings.Settings): Settings.Settings => ({
  ...settings,
  permissions: [...new Set(settings.permissions)].sort(),
  unshare: [...new Set(settings.unshare)].sort()
})

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const arbitraryBytes = Arbitrary.map(
  Arbitrary.array(Arbitrary.schema(Byte), { maxLength: 600 }),
  (bytes) => Uint8Array.from(bytes)
)
const arbitraryField = Arbitrary.schema(Schema.Literals(fieldNames))
const arbitrarySettings = Arbitrary.schema(Settings.Settings)

describe("slots", () => {
  it("are the table of docs/format.md", () => {
    assert.deepStrictEqual(
      fieldNames.map((field) => [field, slots[field].offset, slots[field].size]),
      [
        ["permissions", 0, 8],
        ["notify", 8, 1],
        ["overlay", 9, 1],
        ["casefold", 10, 1],
        ["desktop", 11, 4096],
        ["boot", 4107, 8192],
        ["icon", 12299, 1048576],
        ["environment", 1060875, 1048576],
        ["bindings", 2109451, 1048576],
        ["remote", 3158027, 4096],
        ["unshare", 3162123, 2],
        ["extension", 3162128, 65536]
      ]
    )
  })
})

describe("encode, then decode", () => {
  it.prop("is the value that was encoded", { settings: arbitrarySettings }, ({ settings }) => {
    const expected = canonical(settings)
    for (const field of fieldNames) {
      if (field === "icon") continue
      const slot = valueOf(encode(field, settings[field] as never))
      assert.strictEqual(slot.length, slots[field].size)
      assert.deepStrictEqual(valueOf(decode(field, slot)) as unknown, expected[field])
    }
  }, runs)

  it.prop(
    "is the icon that was encoded",
    { extension: Settings.Icon.fields.extension, data: arbitraryBytes },
    ({ data, extension }) => {
      const result = encode("icon", { extension, data })
      if (data.length === 0) return assert.strictEqual(failureOf(result)._tag, "Invalid")
      assert.deepStrictEqual(valueOf(decode("icon", valueOf(result))), { extension, data })
    },
    runs
  )

  it.prop("equal values are equal bytes", { settings: arbitrarySettings }, ({ settings }) => {
    const shuffled = Object.fromEntries(Object.entries(settings.environment).reverse())
    const [one, other] = [
      valueOf(encode("environment", shuffled)),
      valueOf(encode("environment", settings.environment))
    ]
    assert.isTrue(Buffer.from(one.buffer).equals(other))
  }, runs)

  it("keeps names that mean something to JavaScript", () => {
    const environment = JSON.parse(`{"__proto__":"a","constructor":"b","10":"c","9":"d","toString":""}`)
    assert.deepStrictEqual(
      Object.entries(valueOf(decode("environment", valueOf(encode("environment", environment))))).sort(),
      Object.entries(environment as Record<string, string>).sort()
    )
  })

  it("keeps more than ten bindings in their order", () => {
    const bindings = Array.from(
      { length: 12 },
      (_, index) => ({ type: "ro" as const, src: `/${index}`, dst: `/d${index}` })
    )
    assert.deepStrictEqual(valueOf(decode("bindings", valueOf(encode("bindings", bindings)))), bindings)
  })
})

describe("decode", () => {
  it.prop(
    "any bytes are a value or a failure",
    { field: arbitraryField, bytes: arbitraryBytes },
    ({ bytes, field }) => {
      const slot = new Uint8Array(slots[field].size)
      slot.set(bytes.subarray(0, slot.length))
      const whole = decode(field, slot)
      if (Result.isFailure(whole)) return assert.isTrue(whole.failure.length > 0 && whole.failure.length < 300)
      // What can be read can be written again, and then reads the same.
      assert.deepStrictEqual(decode(field, valueOf(encode(field, whole.success as never))) as unknown, whole as unknown)
    },
    runs
  )

  it.prop(
    "damaged bytes of a field that was sound are a value or a failure",
    {
      field: arbitraryField,
      settings: arbitrarySettings,
      at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 200 })),
      byte: Byte
    },
    ({ at, byte, field, settings }) => {
      if (field === "icon") return
      const slot = valueOf(encode(field, settings[field] as never))
      slot[at % slot.length] = byte
      decode(field, slot)
    },
    runs
  )

  it.each(
    [
      ["permissions", [0, 0x80], "bit 15 is unknown"],
      ["notify", [2], "2 is neither 0 nor 1"],
      ["overlay", [4], "4 is not an overlay type"],
      ["casefold", [255], "255 is neither 0 nor 1"],
      ["unshare", [0x80], "bit 7 is unknown"],
      ["extension", [1], "it begins with unknown bytes"],
      ["environment", [0xff], "it is not UTF-8"]
    ] as const
  )("%s %j says what is wrong", (field, bytes, expected) => {
    const slot = new Uint8Array(slots[field].size)
    slot.set(bytes)
    assert.strictEqual(failureOf(decode<FieldName>(field, slot)), expected)
  })

  it.each(
    [
      ["environment", "{\"a\":1}"],
      ["environment", "{\"a=b\":\"c\"}"],
      ["environment", "{\"a\":\"\\ud800\"}"],
      ["environment", "{\"a\":\"\\u0000\"}"],
      ["bindings", "{\"x\":{\"type\":\"ro\",\"src\":\"/\",\"dst\":\"/\"}}"],
      ["bindings", "{\"0\":{\"type\":\"none\",\"src\":\"/\",\"dst\":\"/\"}}"],
      ["boot", "[]"],
      ["desktop", "{\"name\":\"a\"}"],
      ["remote", "[".repeat(4000)],
      ["environment", "[".repeat(1_000_000)]
    ] as const
  )("%s %.40s is a failure", (field, text) => {
    const slot = new Uint8Array(slots[field].size)
    slot.set(new TextEncoder().encode(text))
    failureOf(decode<FieldName>(field, slot))
  })

  it.each(
    [
      ["environment", "null", {}],
      ["bindings", "{}", []],
      ["remote", "{}", undefined],
      ["boot", "{}", { program: "bash", args: [] }],
      ["boot", "{\"program\":\"\",\"args\":[\"-c\"]}", { program: "bash", args: ["-c"] }],
      ["desktop", "{\"name\":\"a\",\"categories\":[],\"icon\":\"x.png\"}", {
        name: "a",
        categories: [],
        integrations: []
      }],
      ["bindings", "{\"4\":{\"type\":\"dev\",\"src\":\"/a\",\"dst\":\"/b\"}}", [{ type: "dev", src: "/a", dst: "/b" }]]
    ] as const
  )("%s %s, as the reference implementation writes it, is a value", (field, text, expected) => {
    const slot = new Uint8Array(slots[field].size)
    slot.set(new TextEncoder().encode(text))
    assert.deepStrictEqual(valueOf(decode<FieldName>(field, slot)) as unknown, expected)
  })

  it("zeros are the defaults, in every field", () => {
    for (const field of fieldNames) {
      assert.deepStrictEqual(
        valueOf(decode(field, new Uint8Array(slots[field].size))) as unknown,
        defaults[field]
      )
    }
  })

  it("an icon that says to be larger than its slot is a failure", () => {
    const slot = new Uint8Array(slots.icon.size)
    slot.set(new TextEncoder().encode("png"))
    new DataView(slot.buffer).setBigUint64(slots.icon.size - 8, BigInt(iconCapacity + 1), true)
    assert.strictEqual(failureOf(decode("icon", slot)), `${iconCapacity + 1} bytes do not fit`)
  })
})

describe("a slot's edge", () => {
  const { size } = slots.environment
  const frame = JSON.stringify({ A: "" }).length
  /** An environment that is stored in exactly that many bytes, ending in characters of `width` bytes. */
  const environment = (bytes: number, character: string) => {
    const width = Buffer.byteLength(character)
    const room = bytes - frame
    return { A: "x".repeat(room % width) + character.repeat(Math.floor(room / width)) }
  }

  it.each(["x", "é", "€", "😀"])("%s: one byte less than the slot fits", (character) => {
    const value = environment(size - 1, character)
    const slot = valueOf(encode("environment", value))
    assert.strictEqual(slot.indexOf(0), size - 1)
    assert.deepStrictEqual(valueOf(decode("environment", slot)), value)
  })

  it.each([["x", size], ["😀", size], ["x", size + 1], ["😀", size + 1]] as const)(
    "%s: %d bytes do not fit",
    (character, bytes) => {
      assert.deepStrictEqual(failureOf(encode("environment", environment(bytes, character))), {
        _tag: "NoRoom",
        field: "environment",
        bytes,
        fits: size - 1
      })
    }
  )

  it.prop(
    "every JSON field fits up to one byte less than its slot",
    {
      field: Schema.Literals(["boot", "remote", "desktop", "extension"]),
      over: Schema.Int.check(Schema.isBetween({ minimum: -3, maximum: 3 }))
    },
    ({ field, over }) => {
      const values: Record<typeof field, (text: string) => unknown> = {
        boot: (program) => ({ args: [], program: `p${program}` }),
        remote: (url) => url,
        desktop: (name) => ({ categories: [], integrations: [], name }),
        extension: (distribution) => ({ distribution: `d${distribution}`, portal: [] })
      }
      const used = valueOf(encode(field, values[field]("") as never))
      const end = field === "extension" ? used.indexOf(0, 8) : used.indexOf(0)
      const length = slots[field].size - 1 - end + over
      const result = encode(field, values[field]("y".repeat(length)) as never)
      assert.strictEqual(Result.isSuccess(result), over <= 0)
      if (over > 0) assert.deepInclude(failureOf(result), { _tag: "NoRoom", bytes: slots[field].size - 1 + over })
    },
    runs
  )

  it("an icon fills its capacity and no more", () => {
    const data = new Uint8Array(iconCapacity).fill(7)
    assert.strictEqual(
      valueOf(decode("icon", valueOf(encode("icon", { extension: "svg", data }))))?.data.length,
      iconCapacity
    )
    assert.deepStrictEqual(failureOf(encode("icon", { extension: "svg", data: new Uint8Array(iconCapacity + 1) })), {
      _tag: "NoRoom",
      field: "icon",
      bytes: iconCapacity + 1,
      fits: iconCapacity
    })
  })
})

describe("text", () => {
  it.prop(
    "that is not well-formed is refused, all other text survives",
    {
      units: Arbitrary.array(
        Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0xd700, maximum: 0xe100 }))),
        { maxLength: 8 }
      )
    },
    ({ units }) => {
      const text = String.fromCharCode(...units)
      const result = encode("remote", text)
      assert.strictEqual(Result.isSuccess(result), text.isWellFormed())
      if (Result.isSuccess(result)) assert.strictEqual(valueOf(decode("remote", result.success)), text)
      else assert.strictEqual(result.failure._tag, "Invalid")
    },
    runs
  )

  it.each(["\0", "a\0b", "\ud800", "\udc00x"])("%j is refused", (text) => {
    assert.strictEqual(failureOf(encode("environment", { A: text }))._tag, "Invalid")
    assert.strictEqual(failureOf(encode("boot", { program: text, args: [] }))._tag, "Invalid")
    assert.strictEqual(failureOf(encode("bindings", [{ type: "ro", src: text, dst: "/" }]))._tag, "Invalid")
  })
})

describe("isComplete", () => {
  it.prop(
    "says of a beginning that the rest is not needed",
    { settings: arbitrarySettings, field: arbitraryField },
    ({ field, settings }) => {
      if (field === "icon") return
      const slot = valueOf(encode(field, settings[field] as never))
      const start = slot.subarray(0, 64)
      if (isComplete(field, start)) assert.deepStrictEqual(decode(field, start), decode(field, slot))
      else assert.isAbove(slots[field].size, 64)
    },
    runs
  )
})

describe("isBlank", () => {
  it.prop(
    "says of a field that it reads as its default, and of one that was told something else that it does not",
    { settings: arbitrarySettings, field: arbitraryField },
    ({ field, settings }) => {
      if (field === "icon") return
      const blank = new Uint8Array(slots[field].size)
      assert.strictEqual(isBlank(field, blank), true)
      const slot = valueOf(encode(field, settings[field] as never))
      if (!isBlank(field, slot)) return
      assert.deepStrictEqual(valueOf(decode(field, slot)) as unknown, defaults[field])
      assert.deepStrictEqual(slot, blank)
    },
    runs
  )
})
