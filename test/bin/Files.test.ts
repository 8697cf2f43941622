import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { execFileSync } from "node:child_process"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import * as Files from "../../bin/files.ts"

type Operation = (
  fs: FileSystem.FileSystem,
  place: string
) => Effect.Effect<unknown, PlatformError.PlatformError, Scope.Scope>

/** A directory with one of each kind that is met at a start. */
const fill = (place: string) => {
  mkdirSync(`${place}/directory/below`, { recursive: true })
  writeFileSync(`${place}/file`, "0123456789")
  writeFileSync(`${place}/directory/ä\n`, "")
  symlinkSync("file", `${place}/link`)
  symlinkSync("loop", `${place}/loop`)
  execFileSync("sh", ["-c", `mkfifo "$1"`, "sh", `${place}/fifo`])
}

/** What is the same for both: not the numbers of the two directories. */
const plain = (value: unknown): unknown =>
  typeof value === "object" && value !== null && "dev" in value && "ino" in value
    ? { ...value, ino: undefined, mtime: undefined, atime: undefined, birthtime: undefined, blocks: undefined }
    : value

/** What an operation gives, or how it fails. */
const outcome = (operation: Operation, layer: typeof NodeFileSystem.layer) =>
  Effect.gen(function*() {
    const place = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    fill(place)
    const ours = yield* Effect.provide(FileSystem.FileSystem, layer)
    return yield* operation(ours, place).pipe(
      Effect.map(plain),
      Effect.catch(({ reason }) =>
        Effect.succeed({
          failed: reason._tag,
          method: reason.method,
          path: "pathOrDescriptor" in reason ? String(reason.pathOrDescriptor).replace(place, "") : undefined
        })
      )
    )
  }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

const names = ["file", "directory", "link", "loop", "fifo", "nothing", "file/below"]
const each = (label: string, operation: (fs: FileSystem.FileSystem, path: string) => ReturnType<Operation>) =>
  names.map((
    name
  ): readonly [string, Operation] => [`${label} ${name}`, (fs, place) => operation(fs, `${place}/${name}`)])

const read = (size: number): Operation => (fs, place) =>
  Effect.gen(function*() {
    const file = yield* fs.open(`${place}/file`, { flag: "r" })
    const buffer = new Uint8Array(4)
    const counts = [yield* file.read(buffer), yield* file.read(buffer, { position: 7n }), yield* file.read(buffer)]
    yield* file.seek(2n, "start")
    const middle = yield* file.readAlloc(size)
    yield* file.seek(-1n, "current")
    const after = yield* file.readAlloc(size)
    const beyond = yield* file.readAlloc(size, { position: 100n })
    const { size: all } = yield* file.stat
    return [counts, [...buffer], [middle, after, beyond].map(Option.map((bytes) => Array.from(bytes))), all]
  })

const operations: ReadonlyArray<readonly [string, Operation]> = [
  ...each("access", (fs, path) => fs.access(path)),
  ...each("access for writing", (fs, path) => fs.access(path, { writable: true })),
  ...each("exists", (fs, path) => fs.exists(path)),
  ...each("makeDirectory", (fs, path) => fs.makeDirectory(path)),
  ...each(
    "makeDirectory, recursive",
    (fs, path) => Effect.asVoid(fs.makeDirectory(`${path}/a/b`, { recursive: true }))
  ),
  ...each("readDirectory", (fs, path) => Effect.map(fs.readDirectory(path), (found) => found.sort())),
  ...each("remove", (fs, path) => fs.remove(path)),
  ...each("remove, recursive", (fs, path) => fs.remove(path, { recursive: true })),
  // Below a file nothing can be: of Node's two calls only one says so.
  ...each(
    "remove, force",
    (fs, path) => path.endsWith("/below") ? Effect.void : fs.remove(path, { recursive: true, force: true })
  ),
  ...each("stat", (fs, path) => fs.stat(path)),
  ...["file", "directory", "link", "loop", "nothing"].flatMap((name): ReadonlyArray<readonly [string, Operation]> => [
    [`readFile ${name}`, (fs, place) => Effect.map(fs.readFile(`${place}/${name}`), (bytes) => [...bytes])],
    [`readFileString ${name}`, (fs, place) => fs.readFileString(`${place}/${name}`)],
    [`open ${name}`, (fs, place) => Effect.asVoid(fs.open(`${place}/${name}`))],
    [`writeFileString ${name}`, (fs, place) =>
      fs.writeFileString(`${place}/${name}`, "é", { mode: 0o600 }).pipe(
        Effect.andThen(fs.stat(`${place}/${name}`)),
        Effect.map((info) => [info.mode, info.size])
      )],
    [`writeFile ${name}, anew`, (fs, place) => fs.writeFile(`${place}/${name}`, Uint8Array.of(1), { flag: "wx" })]
  ]),
  ["read, four bytes", read(4)],
  ["read, more than there is", read(100)],
  ["open, for writing", (fs, place) =>
    Effect.gen(function*() {
      const file = yield* fs.open(`${place}/new`, { flag: "wx", mode: 0o600 })
      yield* file.writeAll(Uint8Array.of(1, 2, 3))
      return [...yield* fs.readFile(`${place}/new`)]
    })],
  [
    "seek, before the start",
    (fs, place) => Effect.flatMap(fs.open(`${place}/file`), (file) => file.seek(-1n, "start"))
  ],
  [
    "read, before the start",
    (fs, place) => Effect.flatMap(fs.open(`${place}/file`), (file) => file.read(new Uint8Array(1), { position: -1n }))
  ],
  [
    "readAlloc, of no number of bytes",
    (fs, place) => Effect.flatMap(fs.open(`${place}/file`), (file) => file.readAlloc(1.5))
  ],
  ["readFileString, of no encoding", (fs, place) => fs.readFileString(`${place}/file`, "none")],
  [
    "open, of a link that is not to be followed",
    (fs, place) => Effect.asVoid(fs.open(`${place}/link`, { flag: "r", noFollow: true }))
  ],
  [
    "stream",
    (fs, place) => Effect.map(Stream.runCollect(fs.stream(`${place}/file`, { chunkSize: 3 })), (all) => all.map(String))
  ],
  ["rename", (fs, place) => Effect.andThen(fs.rename(`${place}/file`, `${place}/b`), fs.exists(`${place}/b`))],
  ["lstat", (fs, place) => fs.lstat(`${place}/link`)],
  ["readLink", (fs, place) => fs.readLink(`${place}/link`)]
]

describe("the file system of the boot program", () => {
  for (const [name, operation] of operations) {
    it.effect(`does what Node's does: ${name}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* outcome(operation, Files.layer), yield* outcome(operation, NodeFileSystem.layer))
      }))
  }
})
