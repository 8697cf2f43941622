/**
 * Records of the files that images have created on this desktop: `flatimage/desktop/NAME.json` in the data home. By its
 * record a moved image finds its own files, and removes those and no others.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { toJson } from "../image/Json.ts"
import { Desktop } from "../image/Settings.ts"
import { replaceWith } from "../PartFile.ts"
import { dataHome } from "../relocate/Directories.ts"
import { Host } from "../relocate/Host.ts"
import { DesktopError, filesError } from "./DesktopError.ts"

/** Anybody may have changed a record, so only paths that a plan can contain are written or removed. */
const isOurFile = (path: string): boolean =>
  !path.includes("/../") && [
    /^applications\/flatimage-[^/]+\.desktop$/,
    /^mime\/packages\/flatimage(-[^/]+)?\.xml$/,
    /^icons\/hicolor\/[0-9a-z]+\/(apps\/flatimage|mimetypes\/application-flatimage)(_[^/]+)?\.(png|svg)$/
  ].some((pattern) => pattern.test(path))

/** `.` is the data home, `..` and so on are its parents. */
const isOurDirectory = (path: string): boolean =>
  /^(\.|\.\.(\/\.\.)*|applications|mime(\/packages)?|icons(\/hicolor(\/[0-9a-z]+(\/(apps|mimetypes))?)?)?|flatimage(\/desktop)?)$/
    .test(path)

const paths = (isOurs: (path: string) => boolean) =>
  Schema.Array(Schema.String.check(Schema.makeFilter(isOurs, { expected: "a path of ours" })))

/** The record of one image. */
export const Record = Schema.Struct({
  format: Schema.Literal(1),
  /** Absolute path of the image that created the files. */
  image: Schema.String,
  /** Identity of that image, by which it is known under another name and at another path. */
  identity: Schema.optionalKey(Schema.String),
  /** Size and time of the image, and its settings, when the integration was complete; empty while it is not. */
  state: Schema.String,
  desktop: Desktop,
  /** Digest of the picture from which the icons are made. */
  icon: Schema.String,
  /** Whether another image had the plain names. */
  apart: Schema.Boolean,
  files: paths(isOurFile),
  /** Directories that did not exist before, in the order of creation. */
  directories: paths(isOurDirectory)
})
export type Record = typeof Record.Type

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Record))

/** A record and the name of its file, without `.json`. */
export interface StoredRecord {
  readonly key: string
  readonly record: Record
}

const subdirectory = "flatimage/desktop"
const maxSize = 65_536

/** Reads and writes the records. */
export class Records extends Context.Service<Records, {
  /** Path of the data home; fails if there is none. */
  readonly home: Effect.Effect<string, DesktopError>
  /** The record with that name; `undefined` if there is none, or none that is valid. */
  readonly read: (key: string) => Effect.Effect<Record | undefined, DesktopError>
  readonly all: Effect.Effect<ReadonlyArray<StoredRecord>, DesktopError>
  /** Replaces the record with that name atomically. */
  readonly write: (key: string, record: Record) => Effect.Effect<void, DesktopError>
  readonly remove: (key: string) => Effect.Effect<void, DesktopError>
}>()("flatimage/desktop/Records") {
  static readonly layer: Layer.Layer<Records, never, FileSystem.FileSystem | Host> = Layer.effect(
    Records,
    Effect.suspend(() => make())
  )
}

const make = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const host = yield* Host
  const found = dataHome(host.environment)
  const home = found === undefined
    ? Effect.fail(new DesktopError({ reason: "Files", detail: "neither XDG_DATA_HOME nor HOME is set" }))
    : Effect.succeed(found)
  const pathOf = (key: string) => Effect.map(home, (directory) => `${directory}/${subdirectory}/${key}.json`)

  const read = Effect.fn("Records.read")(function*(key: string) {
    const path = yield* pathOf(key)
    const size = yield* fs.stat(path).pipe(
      Effect.map((info) => Number(info.size)),
      Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed(0)),
      Effect.mapError(filesError(path))
    )
    if (size === 0 || size > maxSize) return undefined
    return yield* fs.readFileString(path).pipe(
      Effect.flatMap(decode),
      Effect.catch((error) => Effect.as(Effect.logDebug(`'${path}' is no record: ${error.message}`), undefined))
    )
  })

  return Records.of({
    home,
    read,
    all: Effect.gen(function*() {
      const directory = `${yield* home}/${subdirectory}`
      const names = yield* fs.readDirectory(directory).pipe(
        Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed([])),
        Effect.mapError(filesError(directory))
      )
      const stored: Array<StoredRecord> = []
      for (const name of names.sort()) {
        if (!name.endsWith(".json")) continue
        const key = name.slice(0, -".json".length)
        const record = yield* read(key)
        if (record !== undefined) stored.push({ key, record })
      }
      return stored
    }),
    write: Effect.fn("Records.write")(function*(key, record) {
      const path = yield* pathOf(key)
      yield* replaceWith(path, `${toJson(record, 2)}\n`, 0o600).pipe(
        Effect.provideService(FileSystem.FileSystem, fs),
        Effect.mapError(filesError(path))
      )
    }),
    remove: Effect.fn("Records.remove")(function*(key) {
      const path = yield* pathOf(key)
      yield* fs.remove(path, { force: true }).pipe(Effect.mapError(filesError(path)))
    })
  })
})
