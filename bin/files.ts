/**
 * The file system of the boot program. What a start does is done here and at once: a call to the kernel takes less time than
 * the way to another thread and back, and Node's own layer takes longer to load than a start has for it. All else is
 * Node's, loaded when it is first asked for.
 */
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Node from "node:fs"

type Failing<A> = Effect.Effect<A, PlatformError.PlatformError>

/** As Node's layer sorts them. */
const tags: Readonly<Record<string, PlatformError.SystemErrorTag>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  EISDIR: "BadResource",
  ENOTDIR: "BadResource",
  ELOOP: "BadResource",
  EBUSY: "Busy"
}

const attempt = <A>(method: string, place: string | number, call: () => A): Failing<A> =>
  Effect.try({
    try: call,
    catch: (cause) => {
      const { code, syscall } = cause as NodeJS.ErrnoException
      return PlatformError.systemError({
        _tag: tags[code ?? ""] ?? "Unknown",
        module: "FileSystem",
        method,
        pathOrDescriptor: place,
        ...(syscall === undefined ? {} : { syscall }),
        cause
      })
    }
  })

const typeOf = (stat: Node.BigIntStats): FileSystem.File.Type => {
  if (stat.isFile()) return "File"
  if (stat.isDirectory()) return "Directory"
  if (stat.isSymbolicLink()) return "SymbolicLink"
  if (stat.isFIFO()) return "FIFO"
  if (stat.isSocket()) return "Socket"
  if (stat.isBlockDevice()) return "BlockDevice"
  return stat.isCharacterDevice() ? "CharacterDevice" : "Unknown"
}

const infoOf = (stat: Node.BigIntStats): FileSystem.File.Info => ({
  type: typeOf(stat),
  mtime: Option.some(stat.mtime),
  atime: Option.some(stat.atime),
  birthtime: Option.some(stat.birthtime),
  dev: stat.dev,
  rdev: Option.some(stat.rdev),
  ino: Option.some(stat.ino),
  mode: Number(stat.mode),
  nlink: Option.some(stat.nlink),
  uid: Option.some(Number(stat.uid)),
  gid: Option.some(Number(stat.gid)),
  size: ByteSize.bytes(stat.size),
  blksize: Option.some(ByteSize.bytes(stat.blksize)),
  blocks: Option.some(stat.blocks)
})

const badArgument = (method: string, description: string) =>
  Effect.fail(PlatformError.badArgument({ module: "FileSystem", method, description }))

const forReading = (method: string) => badArgument(method, "the file is open for reading only")

/** A file that is open for reading. */
const fileOf = (descriptor: number): FileSystem.File => {
  let position = 0n
  const read = (buffer: Uint8Array, options?: FileSystem.File.ReadOptions): Failing<number> =>
    options?.position !== undefined && options.position < 0n
      ? badArgument("read", "the position lies before the start of the file")
      : attempt("read", descriptor, () => {
        const count = Node.readSync(descriptor, buffer, { position: options?.position ?? position })
        if (options?.position === undefined) position += BigInt(count)
        return count
      })
  return {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: attempt("stat", descriptor, () => infoOf(Node.fstatSync(descriptor, { bigint: true }))),
    sync: attempt("sync", descriptor, () => Node.fsyncSync(descriptor)),
    seek: (offset, from) =>
      Effect.suspend(() => {
        const next = from === "start" ? offset : position + offset
        if (next < 0n) return badArgument("seek", "the position lies before the start of the file")
        position = next
        return Effect.succeed(next)
      }),
    read,
    readAlloc: (size, options) =>
      Effect.suspend(() => {
        if (!Number.isInteger(size) || size < 0) return badArgument("readAlloc", `${size} is no number of bytes`)
        const buffer = new Uint8Array(size)
        return Effect.map(
          read(buffer, options),
          (count) => count === 0 ? Option.none() : Option.some(buffer.subarray(0, count))
        )
      }),
    truncate: () => forReading("truncate"),
    write: () => forReading("write"),
    writeAll: () => forReading("writeAll")
  }
}

const node = Effect.flatMap(
  Effect.promise(() => import("@effect/platform-node/NodeFileSystem")),
  ({ layer }) =>
    Effect.map(Effect.scoped(Layer.build(layer)), (services) => Context.get(services, FileSystem.FileSystem))
)

type Names = {
  [Name in keyof FileSystem.FileSystem]: FileSystem.FileSystem[Name] extends
    (...words: never) => Effect.Effect<unknown, PlatformError.PlatformError, Scope.Scope> ? Name : never
}[keyof FileSystem.FileSystem]

/** A method of Node's layer. */
const nodes = <Name extends Names>(name: Name): FileSystem.FileSystem[Name] => {
  const method = (...words: ReadonlyArray<never>) =>
    Effect.flatMap(
      node,
      (fs) =>
        (fs[name] as (...words: ReadonlyArray<never>) => Effect.Effect<unknown, PlatformError.PlatformError>)(...words)
    )
  return method as FileSystem.FileSystem[Name]
}

const access: FileSystem.FileSystem["access"] = (path, options) =>
  attempt("access", path, () =>
    Node.accessSync(
      path,
      (options?.readable === true ? Node.constants.R_OK : 0) | (options?.writable === true ? Node.constants.W_OK : 0)
    ))

const readFile: FileSystem.FileSystem["readFile"] = (path) =>
  attempt("readFile", path, () => new Uint8Array(Node.readFileSync(path)))

const writeFile: FileSystem.FileSystem["writeFile"] = (path, data, options) =>
  attempt("writeFile", path, () => Node.writeFileSync(path, data, { flag: options?.flag ?? "w", mode: options?.mode }))

const open = nodes("open")

export const layer = Layer.succeed(
  FileSystem.FileSystem,
  FileSystem.FileSystem.of({
    "~effect/FileSystem": "~effect/FileSystem",
    access,
    exists: (path) =>
      Effect.as(access(path), true).pipe(
        Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed(false))
      ),
    link: (from, to) => attempt("link", to, () => Node.linkSync(from, to)),
    lstat: (path) => attempt("lstat", path, () => infoOf(Node.lstatSync(path, { bigint: true }))),
    makeDirectory: (path, options) =>
      attempt("makeDirectory", path, () => {
        Node.mkdirSync(path, { recursive: options?.recursive ?? false, mode: options?.mode })
      }),
    open: (path, options) =>
      (options?.flag ?? "r") !== "r" || options?.noFollow === true
        ? open(path, options)
        : Effect.map(
          Effect.acquireRelease(
            attempt("open", path, () => Node.openSync(path, "r")),
            (descriptor) => Effect.sync(() => Node.closeSync(descriptor))
          ),
          fileOf
        ),
    readDirectory: (path, options) =>
      attempt(
        "readDirectory",
        path,
        () => Node.readdirSync(path, { recursive: options?.recursive ?? false, encoding: "utf8" })
      ),
    readFile,
    readFileString: (path, encoding) =>
      Effect.flatMap(readFile(path), (bytes) =>
        Effect.try({
          try: () => new TextDecoder(encoding).decode(bytes),
          catch: (cause) =>
            PlatformError.badArgument({
              module: "FileSystem",
              method: "readFileString",
              description: "invalid encoding",
              cause
            })
        })),
    remove: (path, options) =>
      attempt(
        "remove",
        path,
        () => Node.rmSync(path, { recursive: options?.recursive ?? false, force: options?.force ?? false })
      ),
    rename: (from, to) => attempt("rename", from, () => Node.renameSync(from, to)),
    stat: (path) => attempt("stat", path, () => infoOf(Node.statSync(path, { bigint: true }))),
    writeFile,
    writeFileString: (path, text, options) => writeFile(path, new TextEncoder().encode(text), options),
    chmod: nodes("chmod"),
    chown: nodes("chown"),
    copy: nodes("copy"),
    copyFile: nodes("copyFile"),
    glob: nodes("glob"),
    makeTempDirectory: nodes("makeTempDirectory"),
    makeTempDirectoryScoped: nodes("makeTempDirectoryScoped"),
    makeTempFile: nodes("makeTempFile"),
    makeTempFileScoped: nodes("makeTempFileScoped"),
    readDirectoryEntries: nodes("readDirectoryEntries"),
    readLink: nodes("readLink"),
    realPath: nodes("realPath"),
    symlink: nodes("symlink"),
    truncate: nodes("truncate"),
    utimes: nodes("utimes"),
    sink: (path, options) => Sink.unwrap(Effect.map(node, (fs) => fs.sink(path, options))),
    stream: (path, options) => Stream.unwrap(Effect.map(node, (fs) => fs.stream(path, options))),
    watch: (path, options) => Stream.unwrap(Effect.map(node, (fs) => fs.watch(path, options)))
  })
)
