import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Case, Operation } from "./Outcome.ts"

const withFiles = (act: (fs: FileSystem.FileSystem, place: string) => ReturnType<Operation>): Operation => (place) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => act(fs, place))

/** Node takes a zero byte in a path as a bad argument everywhere but where it lists a directory. */
const listed = (name: string): boolean => !name.includes("\0")

const names = ["file", "directory", "link", "loop", "dangling", "fifo", "nothing", "file/below", "zero\0byte"]

const each = (
  label: string,
  act: (fs: FileSystem.FileSystem, path: string, place: string) => ReturnType<Operation>,
  among: ReadonlyArray<string> = names
): ReadonlyArray<Case> =>
  among.map((name): Case => [
    `${label} ${JSON.stringify(name)}`,
    withFiles((fs, place) => act(fs, `${place}/${name}`, place))
  ])

/** Those that can be opened without anybody at the other end. */
const openable = names.filter((name) => name !== "fifo")

const one = (label: string, act: (fs: FileSystem.FileSystem, place: string) => ReturnType<Operation>): Case => [
  label,
  withFiles(act)
]

const opened = (
  flag: FileSystem.OpenFlag,
  act: (file: FileSystem.File, fs: FileSystem.FileSystem, path: string) => ReturnType<Operation>
) =>
(fs: FileSystem.FileSystem, place: string) =>
  Effect.flatMap(fs.open(`${place}/file`, { flag }), (file) => act(file, fs, `${place}/file`))

const reading = (size: number): Case =>
  one(
    `reads at places of a file, ${size} bytes`,
    opened("r", (file) =>
      Effect.gen(function*() {
        const buffer = new Uint8Array(4)
        const counts = [yield* file.read(buffer), yield* file.read(buffer, { position: 7n }), yield* file.read(buffer)]
        yield* file.seek(2n, "start")
        const middle = yield* file.readAlloc(size)
        yield* file.seek(-1n, "current")
        const after = yield* file.readAlloc(size)
        const beyond = yield* file.readAlloc(size, { position: 100n })
        const { size: all } = yield* file.stat
        return [counts, buffer, [middle, after, beyond].map(Option.getOrUndefined), all]
      }))
  )

const flags: ReadonlyArray<FileSystem.OpenFlag> = ["r", "r+", "w", "wx", "w+", "wx+", "a", "ax", "a+", "ax+"]

/** More than 32 bits can say. */
const far = 5n * 1024n ** 3n

export const fileCases: ReadonlyArray<Case> = [
  ...each("access", (fs, path) => fs.access(path)),
  ...each("access for reading", (fs, path) => fs.access(path, { readable: true })),
  ...each("access for writing", (fs, path) => fs.access(path, { writable: true })),
  ...each("exists", (fs, path) => fs.exists(path)),
  ...each("chmod", (fs, path) => Effect.andThen(fs.chmod(path, 0o640), Effect.map(fs.stat(path), ({ mode }) => mode))),
  ...each("chown", (fs, path) => fs.chown(path, 1, 1)),
  ...each(
    "copyFile",
    (fs, path, place) => Effect.andThen(fs.copyFile(path, `${place}/copy`), fs.readFileString(`${place}/copy`)),
    openable
  ),
  ...each("copy", (fs, path, place) => Effect.andThen(fs.copy(path, `${place}/copy`), fs.readDirectory(place)), [
    "file",
    "directory",
    "link"
  ]),
  ...each(
    "link",
    (fs, path, place) =>
      Effect.andThen(fs.link(path, `${place}/other`), Effect.map(fs.lstat(`${place}/other`), ({ nlink }) => nlink)),
    [
      "file",
      "directory",
      "nothing"
    ]
  ),
  ...each("lstat", (fs, path) => fs.lstat(path)),
  ...each("makeDirectory", (fs, path) => fs.makeDirectory(path)),
  ...each(
    "makeDirectory, recursive",
    (fs, path) => Effect.asVoid(fs.makeDirectory(`${path}/a/b`, { recursive: true }))
  ),
  ...each(
    "makeDirectory, that is there, recursive",
    (fs, path) => Effect.asVoid(fs.makeDirectory(path, { recursive: true })),
    ["file", "directory", "link", "fifo"]
  ),
  ...each(
    "readDirectory",
    (fs, path) => Effect.map(fs.readDirectory(path), (found) => found.sort()),
    names.filter(listed)
  ),
  ...each(
    "readDirectoryEntries",
    (fs, path) =>
      Effect.map(fs.readDirectoryEntries(path), (found) => [...found].sort((a, b) => a.name < b.name ? -1 : 1)),
    names.filter(listed)
  ),
  ...each("readFile", (fs, path) => fs.readFile(path), openable),
  ...each("readFileString", (fs, path) => fs.readFileString(path), openable),
  ...each("readLink", (fs, path) => fs.readLink(path)),
  ...each("realPath", (fs, path) => fs.realPath(path), ["file", "link", "directory", "nothing"]),
  // Node has a code of its own for a directory, which Effect's layer does not know.
  ...each("remove", (fs, path) => fs.remove(path), names.filter((name) => name !== "directory")),
  ...each("remove, recursive", (fs, path) => fs.remove(path, { recursive: true })),
  // Below a file nothing can be: of Node's two calls only one says so.
  ...each(
    "remove, force",
    (fs, path) => fs.remove(path, { recursive: true, force: true }),
    names.filter((name) => !name.endsWith("/below"))
  ),
  ...each(
    "rename",
    (fs, path, place) =>
      Effect.andThen(fs.rename(path, `${place}/new`), Effect.map(fs.readDirectory(place), (found) => found.sort()))
  ),
  ...each("stat", (fs, path) => fs.stat(path)),
  ...each(
    "truncate",
    (fs, path) => Effect.andThen(fs.truncate(path, 3), Effect.map(fs.stat(path), ({ size }) => size)),
    openable
  ),
  ...each("utimes", (fs, path) =>
    Effect.andThen(
      fs.utimes(path, 1.5, 1_700_000_000.25),
      Effect.map(fs.stat(path), ({ atime, mtime }) => [atime, mtime].map(Option.map(Number)))
    )),
  ...each("writeFileString", (fs, path) =>
    fs.writeFileString(path, "é\ud800", { mode: 0o600 }).pipe(
      Effect.andThen(fs.stat(path)),
      Effect.map((info) => [info.mode, info.size])
    ), openable),
  ...each("writeFile, anew", (fs, path) => fs.writeFile(path, Uint8Array.of(1), { flag: "wx" })),
  ...each("open without following", (fs, path) => Effect.asVoid(fs.open(path, { noFollow: true })), openable),
  ...flags.flatMap((flag) => each(`open with ${flag}`, (fs, path) => Effect.asVoid(fs.open(path, { flag })), openable)),
  ...flags.map((flag) =>
    one(
      `write with ${flag}`,
      opened(flag, (file, fs, path) =>
        file.write(new TextEncoder().encode("ab")).pipe(
          Effect.andThen(file.writeAll(new TextEncoder().encode("cd"))),
          Effect.andThen(fs.readFileString(path))
        ))
    )
  ),
  reading(4),
  reading(100),
  one("seek, before the start", opened("r", (file) => file.seek(-1n, "start"))),
  one("read, before the start", opened("r", (file) => file.read(new Uint8Array(1), { position: -1n }))),
  one("readAlloc, of what is not a number of bytes", opened("r", (file) => file.readAlloc(1.5))),
  one(
    "sync and truncate an open file",
    opened("r+", (file) =>
      file.seek(8n, "start").pipe(
        Effect.andThen(file.truncate(4)),
        Effect.andThen(file.sync),
        Effect.andThen(file.seek(0n, "current"))
      ))
  ),
  one(
    "writes and reads beyond 4 GiB",
    opened("r+", (file) =>
      Effect.gen(function*() {
        yield* file.seek(far, "start")
        yield* file.writeAll(Uint8Array.of(1, 2, 3))
        const { size } = yield* file.stat
        return [size, Option.getOrUndefined(yield* file.readAlloc(9, { position: far + 1n }))]
      }))
  ),
  one(
    "writes more than the file may have",
    opened("r+", (file) => Effect.andThen(file.seek(2n ** 62n, "start"), Effect.ignore(file.write(Uint8Array.of(1)))))
  ),
  one("readFileString, of no encoding", (fs, place) => fs.readFileString(`${place}/file`, "none")),
  one("readFileString, as Latin-1", (fs, place) =>
    Effect.andThen(
      fs.writeFile(`${place}/bytes`, Uint8Array.of(65, 0xe4, 0xff)),
      fs.readFileString(`${place}/bytes`, "latin1")
    )),
  one("readFileString, with what is not UTF-8", (fs, place) =>
    Effect.andThen(
      fs.writeFile(`${place}/bytes`, Uint8Array.of(65, 0xe4, 0xff, 0xf0, 0x9f, 66)),
      fs.readFileString(`${place}/bytes`)
    )),
  one("reads a file of 3 MiB whole", (fs, place) =>
    Effect.gen(function*() {
      const bytes = Uint8Array.from({ length: 3 << 20 }, (_, index) => index * 7)
      yield* fs.writeFile(`${place}/large`, bytes)
      const read = yield* fs.readFile(`${place}/large`)
      return [read.length, read[1], read[(3 << 20) - 1]]
    })),
  one(
    "stream",
    (fs, place) =>
      Effect.map(
        Stream.runCollect(fs.stream(`${place}/file`, { chunkSize: 3, offset: 2, bytesToRead: 7 })),
        (all) => all.map((bytes) => [...bytes])
      )
  ),
  one("sink", (fs, place) =>
    Effect.andThen(
      Stream.run(Stream.make(Uint8Array.of(65), Uint8Array.of(66)), fs.sink(`${place}/new`)),
      fs.readFileString(`${place}/new`)
    )),
  one("glob", (fs, place) => Effect.map(fs.glob("**/*", { root: place }), (found) => found.sort())),
  one("makeTempDirectory", (fs, place) =>
    Effect.gen(function*() {
      const made = yield* fs.makeTempDirectory({ directory: place, prefix: "made-" })
      const { mode } = yield* fs.stat(made)
      return [mode, made.replace(/.{6}$/, "")]
    })),
  one(
    "makeTempDirectory, where nothing is",
    (fs, place) =>
      Effect.asVoid(
        fs.makeTempDirectory({ directory: `${place}/nothing` }).pipe(
          Effect.mapError((error) => ({ ...error, reason: { ...error.reason, pathOrDescriptor: "" } }) as typeof error)
        )
      )
  ),
  one("makeTempDirectoryScoped", (fs, place) =>
    Effect.andThen(
      Effect.scoped(Effect.andThen(fs.makeTempDirectoryScoped({ directory: `${place}/directory` }), Effect.void)),
      Effect.map(fs.readDirectory(`${place}/directory`), (found) => found.length)
    )),
  one("makeTempFile", (fs, place) =>
    Effect.map(
      Effect.flatMap(fs.makeTempFile({ directory: place, suffix: ".end" }), (made) => fs.stat(made)),
      ({ size, type }) => [size, type]
    )),
  one("makeTempFileScoped", (fs, place) =>
    Effect.andThen(
      Effect.scoped(
        Effect.flatMap(fs.makeTempFileScoped({ directory: `${place}/directory` }), (made) => fs.stat(made))
      ),
      Effect.map(fs.readDirectory(`${place}/directory`), (found) => found.length)
    )),
  one(
    "reads what the kernel makes as it is read",
    (fs) => Effect.map(fs.readFileString("/proc/self/status"), (text) => text.includes("Threads:"))
  ),
  one("a full device", (fs) => fs.writeFileString("/dev/full", "a"))
]
