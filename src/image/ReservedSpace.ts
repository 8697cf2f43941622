import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Result from "effect/Result"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { keepIdentity } from "./Identity.ts"
import type { IdentityKeeper } from "./IdentityKeeper.ts"
import type { Change } from "./Journal.ts"
import type { Rewriting } from "./LayerRewriter.ts"
import { type FieldName, fieldNames, isBlank, slots } from "./ReservedLayout.ts"
import { readOnce } from "./ReservedReader.ts"
import { encodeError, platformError, Reason, ReservedSpaceError } from "./ReservedSpaceError.ts"
import type { Session } from "./ReservedWriter.ts"
import type { Extension, Fields, Settings } from "./Settings.ts"
import { defaults } from "./SettingsDefaults.ts"

/** The image, and how to write to it. */
export interface Options {
  readonly path: string
  /** Offset of the reserved space in the file, in bytes. */
  readonly offset: number
  /** Path of the program `fim`, which writes. */
  readonly patcher: string
  /** Seconds to wait for other writers; 60 by default. */
  readonly wait?: number | undefined
  /** Detects copies of the image. Without it a write neither changes nor creates an identity. */
  readonly keeper?: IdentityKeeper | undefined
}

/** A result, and warnings that name the damaged fields, which have their defaults. */
export interface Snapshot<A> {
  readonly settings: A
  readonly warnings: ReadonlyArray<string>
}

/** Reads and writes the settings of one image. */
export interface Shape {
  /** Reads one field. A damaged one has its default, with a warning in the log. */
  readonly read: <Field extends FieldName>(field: Field) => Effect.Effect<Fields[Field], ReservedSpaceError>
  /** Reads all settings of a start, at one moment. */
  readonly snapshot: Effect.Effect<Snapshot<Settings>, ReservedSpaceError>
  /** Reads all fields, with the icon, at one moment. */
  readonly everything: Effect.Effect<Snapshot<Fields>, ReservedSpaceError>
  /** Writes one field, synced on return. Fails with `NoRoom` before anything is changed. */
  readonly write: <Field extends FieldName>(
    field: Field,
    value: Fields[Field]
  ) => Effect.Effect<void, ReservedSpaceError>
  /** Writes all of these fields, or none. */
  readonly writeAll: (values: Partial<Fields>) => Effect.Effect<void, ReservedSpaceError>
  /**
   * Changes a field by a function, while nobody else can write. Fails for a damaged field, because its content would be
   * lost.
   */
  readonly update: <Field extends FieldName>(
    field: Field,
    f: (value: Fields[Field]) => Fields[Field]
  ) => Effect.Effect<Fields[Field], ReservedSpaceError>
  /** Like `update`, and returns a result of the function. */
  readonly modify: <Field extends FieldName, A>(
    field: Field,
    f: (value: Fields[Field]) => readonly [result: A, value: Fields[Field]]
  ) => Effect.Effect<A, ReservedSpaceError>
  /**
   * Completes the write of a killed writer and runs `use`, while nobody else can write. For appending a layer, which must
   * begin where the last one ends.
   */
  readonly exclusively: <A, E, R>(use: Effect.Effect<A, E, R>) => Effect.Effect<A, E | ReservedSpaceError, R>
  /**
   * Appends the file at `path` to the image as its uppermost layer, synced on return. If it fails or is killed, the image
   * keeps its old layers. Fails with `Layer` for an invalid DwarFS image, before the image is changed.
   */
  readonly append: (path: string) => Effect.Effect<void, ReservedSpaceError>
  /**
   * Runs `use`, which may replace this image by one with other layers, while nobody else can write. Until then the image is
   * unchanged. Fails with `Layers` for an image that cannot be written, or whose layers are damaged.
   */
  readonly rewrite: <A, E, R>(
    use: (image: Rewriting) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | ReservedSpaceError, R>
}

/** Reads that overlap a write are retried; after this many retries, they wait for the lock instead. */
const attempts = 20

const snapshotFields = fieldNames.filter((field) => field !== "icon")

const make = Effect.fnUntraced(function*(options: Options) {
  const { offset, path } = options
  const fs = yield* FileSystem.FileSystem
  const native = yield* NativeBytes
  const services = yield* Effect.context<FileSystem.FileSystem | ChildProcessSpawner | NativeBytes>()
  const target = { path, offset, patcher: options.patcher, wait: options.wait ?? 60 }

  // A start only reads: the writer, which spawns processes, is loaded at the first write. Schemas are loaded only for
  // stored fields.
  const writer = Effect.promise(() => import("./ReservedWriter.ts"))
  const codec = Effect.promise(() => import("./SettingsCodec.ts"))
  const keeping = Effect.promise(() => import("./IdentityKeeper.ts"))

  const bytesOf = Effect.fnUntraced(function*<Field extends FieldName>(fields: ReadonlyArray<Field>) {
    const file = yield* fs.open(path).pipe(Effect.mapError(platformError(path)))
    for (let attempt = 0; attempt < attempts; attempt++) {
      const bytes = yield* readOnce({ path, offset, file }, fields).pipe(Effect.provideService(NativeBytes, native))
      if (bytes !== undefined) return bytes
      yield* Effect.yieldNow
    }
    const { locked } = yield* writer
    const bytes = yield* locked(target, ({ source }) => readOnce(source, fields)).pipe(Effect.provideContext(services))
    if (bytes !== undefined) return bytes
    return yield* new ReservedSpaceError({
      path,
      reason: Reason.Busy({ detail: "a program that ignores its lock is writing to it" })
    })
  }, Effect.scoped)

  const readAll = Effect.fnUntraced(function*<Field extends FieldName>(fields: ReadonlyArray<Field>) {
    const bytes = yield* bytesOf(fields)
    const warnings: Array<string> = []
    const settings: Partial<Record<FieldName, unknown>> = {}
    for (const field of fields) {
      const start = bytes.get(field)!
      settings[field] = isBlank(field, start)
        ? defaults[field]
        : Result.getOrElse((yield* codec).decode(field, start), (detail) => {
          warnings.push(`The field '${field}' is damaged and reads as its default: ${detail}`)
          return defaults[field]
        })
    }
    return { settings: settings as Partial<Fields>, warnings }
  })

  const encodeAll = Effect.fnUntraced(function*(values: Partial<Fields>) {
    const { encode } = yield* codec
    return yield* Effect.forEach(
      fieldNames.filter((field) => field in values),
      (field) =>
        Effect.fromResult(encode(field, values[field] as Fields[typeof field])).pipe(
          Effect.map((after) => ({ field, after })),
          Effect.mapError((failure) => encodeError(path, failure))
        )
    )
  })

  const encodeOne = Effect.fnUntraced(function*<Field extends FieldName>(field: Field, value: Fields[Field]) {
    const { encode } = yield* codec
    return yield* Effect.fromResult(encode(field, value)).pipe(
      Effect.mapError((failure) => encodeError(path, failure))
    )
  })

  /** Writes fields, and a new identity if the image needs one. Writes nothing if nothing changes. */
  const store = Effect.fnUntraced(function*(session: Session, changes: ReadonlyArray<Change>, extension?: Extension) {
    if (changes.every(({ after, before }) => native.equal(after, before))) return
    const { renewal } = yield* keeping
    const renewed = yield* renewal(options.keeper, session, extension)
    if (renewed === undefined) return yield* session.commit(changes)
    const others = changes.filter(({ offset }) => offset !== slots.extension.offset)
    yield* session.commit([...others, renewed.change])
    yield* renewed.written
  })

  const writeAll = Effect.fn("ReservedSpace.writeAll")(function*(values: Partial<Fields>) {
    const encoded = yield* encodeAll(values)
    const { locked } = yield* writer
    const { decode } = yield* codec
    yield* locked(
      target,
      Effect.fnUntraced(function*(session) {
        const changes: Array<Change> = []
        let extension: Extension | undefined
        for (const { after, field } of encoded) {
          const before = yield* session.slot(field)
          if (values.extension === undefined || field !== "extension") {
            changes.push({ offset: slots[field].offset, before, after })
            continue
          }
          const current = Result.getOrElse(decode("extension", before), () => defaults.extension)
          extension = keepIdentity(current, values.extension)
          changes.push({ offset: slots.extension.offset, before, after: yield* encodeOne("extension", extension) })
        }
        yield* store(session, changes, extension)
      })
    ).pipe(Effect.provideContext(services))
  })

  const modify = Effect.fn("ReservedSpace.modify")(function*<Field extends FieldName, A>(
    field: Field,
    f: (value: Fields[Field]) => readonly [result: A, value: Fields[Field]]
  ) {
    const { locked } = yield* writer
    const { decode } = yield* codec
    return yield* locked(
      target,
      Effect.fnUntraced(function*(session) {
        const before = yield* session.slot(field)
        const current = yield* Effect.fromResult(decode(field, before)).pipe(
          Effect.mapError((detail) => new ReservedSpaceError({ path, reason: Reason.Damaged({ field, detail }) }))
        )
        const [result, value] = f(current)
        const extension = field === "extension" ? keepIdentity(current as Extension, value as Extension) : undefined
        const after = yield* encodeOne(field, extension === undefined ? value : extension as Fields[Field])
        yield* store(session, [{ offset: slots[field].offset, before, after }], extension)
        return result
      })
    ).pipe(Effect.provideContext(services))
  })

  return ReservedSpace.of({
    read: Effect.fn("ReservedSpace.read")(function*(field) {
      const { settings, warnings } = yield* readAll([field])
      yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
      return settings[field] as Fields[typeof field]
    }),
    snapshot: Effect.map(readAll(snapshotFields), ({ settings, warnings }) => ({
      settings: settings as Settings,
      warnings
    })),
    everything: Effect.map(readAll(fieldNames), ({ settings, warnings }) => ({
      settings: settings as Fields,
      warnings
    })),
    write: (field, value) => writeAll({ [field]: value }),
    writeAll,
    update: (field, f) =>
      modify(field, (value) => {
        const next = f(value)
        return [next, next]
      }),
    modify,
    append: Effect.fn("ReservedSpace.append")(function*(layer) {
      const { append } = yield* Effect.promise(() => import("./LayerWriter.ts"))
      yield* append(target, layer, options.keeper).pipe(Effect.provideContext(services))
    }),
    rewrite: Effect.fn("ReservedSpace.rewrite")(function*(use) {
      const { rewrite } = yield* Effect.promise(() => import("./LayerRewriter.ts"))
      const caller = yield* Effect.context<Effect.Services<ReturnType<typeof use>>>()
      return yield* rewrite(target, options.keeper, (image) => Effect.provideContext(use(image), caller)).pipe(
        Effect.provideContext(services)
      )
    }),
    exclusively: Effect.fn("ReservedSpace.exclusively")(function*(use) {
      const { locked } = yield* writer
      const caller = yield* Effect.context<Effect.Services<typeof use>>()
      return yield* locked(target, () => Effect.provideContext(use, caller)).pipe(Effect.provideContext(services))
    })
  })
})

/** The settings of one image. */
export class ReservedSpace extends Context.Service<ReservedSpace, Shape>()("flatimage/image/ReservedSpace") {
  static readonly layer = (options: Options) => Layer.effect(this, make(options))
}
