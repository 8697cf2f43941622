/** Encodes and decodes each field: pure functions between a slot of the reserved space and its value. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { toJson } from "./Json.ts"
import { extensionPrefix, type FieldName, iconCapacity, slots } from "./ReservedLayout.ts"
import { Binding, Boot, Desktop, desktopKeys, Environment, Extension, type Fields, Icon, Text } from "./Settings.ts"
import type * as Settings from "./Settings.ts"
import { defaults, type Overlay, overlayNames, permissionNames, unshareNames } from "./SettingsDefaults.ts"

/** A value that cannot be stored. `NoRoom` has the size that fits, `Invalid` the error. */
export type EncodeFailure =
  | { readonly _tag: "NoRoom"; readonly field: FieldName; readonly bytes: number; readonly fits: number }
  | { readonly _tag: "Invalid"; readonly field: FieldName; readonly detail: string }

interface Codec<A> {
  /** `bytes` is the slot, or its beginning with at least one zero byte. Fails with the problem. */
  readonly decode: (bytes: Uint8Array) => Result.Result<A, string>
  /** The content, which zeros follow up to the end of the slot. */
  readonly encode: (value: A) => Result.Result<Uint8Array, EncodeFailure>
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

const flag = (field: "notify" | "casefold"): Codec<boolean> => ({
  decode: (bytes) =>
    bytes[0] === 0 || bytes[0] === 1 ? Result.succeed(bytes[0] === 1) : Result.fail(`${bytes[0]} is neither 0 nor 1`),
  encode: (value) =>
    typeof value === "boolean"
      ? Result.succeed(Uint8Array.of(value ? 1 : 0))
      : Result.fail({ _tag: "Invalid", field, detail: "neither true nor false" })
})

const names = <const Names extends ReadonlyArray<string>>(
  field: "permissions" | "unshare",
  bits: Names
): Codec<ReadonlyArray<Names[number]>> => ({
  decode: (bytes) => {
    const found: Array<Names[number]> = []
    for (let bit = 0; bit < slots[field].size * 8; bit++) {
      if (((bytes[bit >> 3] ?? 0) >> (bit & 7) & 1) === 0) continue
      const name = bits[bit]
      if (name === undefined) return Result.fail(`bit ${bit} is unknown`)
      found.push(name)
    }
    return Result.succeed(found.sort())
  },
  encode: (value) => {
    const bytes = new Uint8Array(slots[field].size)
    for (const name of value) {
      const bit = bits.indexOf(name)
      if (bit < 0) return Result.fail({ _tag: "Invalid", field, detail: `'${name}' is unknown` })
      bytes[bit >> 3]! |= 1 << (bit & 7)
    }
    return Result.succeed(bytes)
  }
})

const overlay: Codec<Overlay> = {
  decode: (bytes) => {
    const name = overlayNames[bytes[0] ?? 0]
    return name === undefined ? Result.fail(`${bytes[0]} is not an overlay type`) : Result.succeed(name)
  },
  encode: (value) =>
    overlayNames.includes(value)
      ? Result.succeed(Uint8Array.of(overlayNames.indexOf(value)))
      : Result.fail({ _tag: "Invalid", field: "overlay", detail: `'${value}' is not an overlay type` })
}

/** One short line: the message of a schema quotes the value, which may be a megabyte. */
const brief = (error: { readonly message: string }): string => {
  const line = error.message.replace(/\s+/g, " ")
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}

/**
 * A JSON field that ends with a zero byte. `stored` is the schema of the document, which may differ from that of the value;
 * `empty` is the value of an empty field.
 */
const json = <A, Stored>(options: {
  readonly field: FieldName
  /** For records: otherwise an invalid key would be dropped silently. */
  readonly exact?: true
  readonly prefix?: Uint8Array | undefined
  readonly stored: Schema.ConstraintDecoder<Stored>
  readonly value: Schema.ConstraintDecoder<A>
  readonly empty: A
  readonly fromStored: (stored: Stored) => unknown
  readonly toStored: (value: A) => unknown
}): Codec<A> => {
  const parseOptions = { onExcessProperty: options.exact ? "error" : "ignore" } as const
  const fromText = Schema.decodeUnknownResult(Schema.fromJsonString(options.stored), parseOptions)
  const check = Schema.decodeUnknownResult(options.value, parseOptions)
  const prefix = options.prefix ?? new Uint8Array(0)
  const fits = slots[options.field].size - 1
  return {
    decode: (bytes) => {
      if (bytes[0] === undefined || bytes[0] === 0) return Result.succeed(options.empty)
      if (!prefix.every((byte, index) => bytes[index] === byte)) return Result.fail("it begins with unknown bytes")
      const end = bytes.indexOf(0, prefix.length)
      if (end < 0) return Result.fail("no zero byte ends it")
      return Result.try({
        try: () => utf8.decode(bytes.subarray(prefix.length, end)),
        catch: () => "it is not UTF-8"
      }).pipe(
        Result.flatMap((text) => Result.mapError(fromText(text), brief)),
        Result.flatMap((stored) => Result.mapError(check(options.fromStored(stored)), brief))
      )
    },
    encode: (value) =>
      Result.mapError(check(value), (error): EncodeFailure => ({
        _tag: "Invalid",
        field: options.field,
        detail: brief(error)
      })).pipe(
        Result.flatMap((valid) => {
          const stored = options.toStored(valid)
          if (stored === undefined) return Result.succeed(new Uint8Array(0))
          const text = encoder.encode(toJson(stored))
          const bytes = prefix.length + text.length
          if (bytes > fits) return Result.fail<EncodeFailure>({ _tag: "NoRoom", field: options.field, bytes, fits })
          const content = new Uint8Array(bytes)
          content.set(prefix)
          content.set(text, prefix.length)
          return Result.succeed(content)
        })
      )
  }
}

const decodeIcon = Schema.decodeUnknownResult(Icon)

const icon: Codec<Settings.Icon | undefined> = {
  decode: (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const size = view.getBigUint64(slots.icon.size - 8, true)
    const letters = bytes.subarray(0, 4)
    if (size === 0n && letters.every((letter) => letter === 0)) return Result.succeed(undefined)
    if (size > BigInt(iconCapacity)) return Result.fail(`${size} bytes do not fit`)
    const extension = String.fromCharCode(...letters).replace(/\0+$/, "")
    return Result.mapError(decodeIcon({ extension, data: bytes.slice(4, 4 + Number(size)) }), brief)
  },
  encode: (value) => {
    const bytes = new Uint8Array(slots.icon.size)
    if (value === undefined) return Result.succeed(bytes)
    if (value.data.length > iconCapacity) {
      return Result.fail({ _tag: "NoRoom", field: "icon", bytes: value.data.length, fits: iconCapacity })
    }
    return Result.mapBoth(decodeIcon(value), {
      onFailure: (error): EncodeFailure => ({ _tag: "Invalid", field: "icon", detail: brief(error) }),
      onSuccess: ({ data, extension }) => {
        encoder.encodeInto(extension, bytes)
        bytes.set(data, 4)
        new DataView(bytes.buffer).setBigUint64(slots.icon.size - 8, BigInt(data.length), true)
        return bytes
      }
    })
  }
}

const isIndex = (key: string): boolean => /^\d{1,15}$/.test(key)

const codecs: { readonly [Field in FieldName]: Codec<Fields[Field]> } = {
  permissions: names("permissions", permissionNames),
  notify: flag("notify"),
  overlay,
  casefold: flag("casefold"),
  desktop: json({
    field: "desktop",
    stored: Schema.NullOr(Schema.Struct({
      categories: Desktop.fields.categories,
      integrations: Schema.optionalKey(Desktop.fields.integrations),
      name: Text,
      ...desktopKeys
    })),
    value: Schema.UndefinedOr(Desktop),
    empty: undefined,
    fromStored: (stored) => stored === null ? undefined : { integrations: [], ...stored },
    toStored: (value) => value
  }),
  boot: json({
    field: "boot",
    stored: Schema.NullOr(
      Schema.Struct({ program: Schema.optionalKey(Text), args: Schema.optionalKey(Schema.Array(Text)) })
    ),
    value: Boot,
    empty: defaults.boot,
    // The reference implementation stores an empty program for "none".
    fromStored: (stored) => ({
      program: stored?.program || defaults.boot.program,
      args: stored?.args ?? defaults.boot.args
    }),
    toStored: (value) => value
  }),
  icon,
  environment: json({
    field: "environment",
    exact: true,
    stored: Schema.NullOr(Environment),
    value: Environment,
    empty: defaults.environment,
    fromStored: (stored) => stored ?? {},
    toStored: (value) => value
  }),
  bindings: json({
    field: "bindings",
    exact: true,
    stored: Schema.NullOr(
      Schema.Record(Schema.String.check(Schema.makeFilter(isIndex, { expected: "an index" })), Binding)
    ),
    value: Schema.Array(Binding),
    empty: defaults.bindings,
    fromStored: (stored) =>
      Object.entries(stored ?? {}).sort(([left], [right]) => Number(left) - Number(right)).map(([, item]) => item),
    toStored: (value) => Object.fromEntries(value.entries())
  }),
  remote: json({
    field: "remote",
    stored: Schema.NullOr(Schema.Struct({ url: Schema.optionalKey(Text) })),
    value: Schema.UndefinedOr(Text),
    empty: undefined,
    fromStored: (stored) => stored?.url,
    toStored: (value) => value === undefined ? undefined : { url: value }
  }),
  unshare: names("unshare", unshareNames),
  extension: json({
    field: "extension",
    prefix: extensionPrefix,
    stored: Extension,
    value: Extension,
    empty: defaults.extension,
    fromStored: (stored) => stored,
    toStored: (value) => value
  })
}

/**
 * Decodes a field.
 *
 * @param bytes any bytes: the slot
 * @returns the value, or the problem; never throws
 */
export const decode = <Field extends FieldName>(
  field: Field,
  bytes: Uint8Array
): Result.Result<Fields[Field], string> => codecs[field].decode(bytes)

/** Encodes a value as a whole slot. */
export const encode = <Field extends FieldName>(
  field: Field,
  value: Fields[Field]
): Result.Result<Uint8Array, EncodeFailure> =>
  Result.map(codecs[field].encode(value), (content) => {
    if (content.length === slots[field].size) return content
    const slot = new Uint8Array(slots[field].size)
    slot.set(content)
    return slot
  })
