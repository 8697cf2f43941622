/**
 * Effect's file system. Every call is synchronous: the kernel replies sooner than another thread could, and the boot
 * program has nothing else to do meanwhile.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as Stream from "effect/Stream"
import * as host from "fim:host"
import * as FileInfo from "./FileInfo.ts"
import * as OpenFile from "./OpenFile.ts"
import { attempt, errno, type Failing, failure } from "./SystemError.ts"

const call = <A>(method: string, path: string, act: () => A): Failing<A> => attempt("FileSystem", method, path, act)

/** Flags of `open(2)`. All except `O_NOFOLLOW` are the same on every supported architecture. */
const access = { read: 0, write: 1, both: 2, create: 0o100, exclusive: 0o200, truncate: 0o1000, append: 0o2000 }
const flags: Readonly<Record<FileSystem.OpenFlag, number>> = {
  r: access.read,
  "r+": access.both,
  w: access.write | access.create | access.truncate,
  wx: access.write | access.create | access.truncate | access.exclusive,
  "w+": access.both | access.create | access.truncate,
  "wx+": access.both | access.create | access.truncate | access.exclusive,
  a: access.write | access.create | access.append,
  ax: access.write | access.create | access.append | access.exclusive,
  "a+": access.both | access.create | access.append,
  "ax+": access.both | access.create | access.append | access.exclusive
}
const noFollow = host.architecture() === "arm64" ? 0o100000 : 0o400000

const newFile = 0o666
const newDirectory = 0o777

const isDirectory = (path: string, follow: boolean): boolean => {
  host.stat(path, follow, FileInfo.space)
  return FileInfo.isDirectory()
}

const parentOf = (path: string): string => path.replace(/\/*[^/]*\/*$/, "")

const makeParents = (path: string, mode: number): Failing<void> =>
  call("makeDirectory", path, () => host.makeDirectory(path, mode)).pipe(
    Effect.catch((error) => {
      if (error.reason._tag === "NotFound") {
        const parent = parentOf(path)
        if (parent === "" || parent === path) return Effect.fail(error)
        const parents = Effect.mapError(
          makeParents(parent, mode),
          (error) =>
            error.reason._tag === "AlreadyExists" || error.reason._tag === "BadResource"
              ? failure("FileSystem", "makeDirectory", path, errno.ENOTDIR)
              : error
        )
        return Effect.andThen(parents, makeParents(path, mode))
      }
      if (error.reason._tag !== "AlreadyExists") return Effect.fail(error)
      return Effect.flatMap(
        Effect.orElseSucceed(call("makeDirectory", path, () => isDirectory(path, true)), () => false),
        (isDirectory) => isDirectory ? Effect.void : Effect.fail(error)
      )
    })
  )

const remove: FileSystem.FileSystem["remove"] = (path, options) =>
  call("remove", path, () => host.unlink(path)).pipe(
    Effect.catch((error) => {
      if (error.reason._tag === "NotFound" && options?.force === true) return Effect.void
      const removeDirectory = call("remove", path, () => {
        if (!isDirectory(path, false)) return false
        if (options?.recursive === true) host.removeTree(path)
        return true
      })
      // The error of removing a directory is more precise than that of unlinking it.
      return Effect.flatMap(
        removeDirectory,
        (isDirectory) => isDirectory && options?.recursive === true ? Effect.void : Effect.fail(error)
      )
    })
  )

const readFile = (path: string) => call("readFile", path, () => new Uint8Array(host.readFile(path)))

const writeFile: FileSystem.FileSystem["writeFile"] = (path, bytes, options) =>
  call("writeFile", path, () => host.open(path, flags[options?.flag ?? "w"], options?.mode ?? newFile)).pipe(
    Effect.flatMap((descriptor) =>
      Effect.ensuring(
        call("writeFile", path, () => {
          for (let at = 0; at < bytes.length;) at += host.write(descriptor, bytes.subarray(at))
        }),
        Effect.sync(() => host.close(descriptor))
      )
    ),
    Effect.uninterruptible
  )

const readDirectoryEntries = (path: string): Failing<ReadonlyArray<FileSystem.DirectoryEntry>> =>
  call("readDirectoryEntries", path, () => {
    const listing = host.readDirectory(path, true)
    const entries: Array<FileSystem.DirectoryEntry> = []
    for (let at = 0; at + 1 < listing.length; at += 2) {
      entries.push({ name: listing[at] ?? "", type: FileInfo.typeOfLetter[listing[at + 1] ?? ""] ?? "Unknown" })
    }
    return entries
  })

/** Names below a directory, relative to it, each directory before its content. */
const namesBelow = (directory: string, prefix: string): Array<string> =>
  host.readDirectory(directory, false).flatMap((name) => {
    const path = `${directory}/${name}`
    return [prefix + name].concat(isDirectory(path, false) ? namesBelow(path, `${prefix}${name}/`) : [])
  })

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/** An unpredictable name. */
const randomName = (length: number): string => {
  const bytes = new Uint8Array(length)
  host.random(bytes)
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join("")
}

const makeTempDirectory = (method: string): FileSystem.FileSystem["makeTempDirectory"] => (options) =>
  Effect.suspend(() => {
    const directory = (options?.directory ?? (host.environment()["TMPDIR"] || "/tmp")).replace(/(?<=.)\/+$/, "")
    const path = `${directory}/${options?.prefix ?? ""}${randomName(6)}`
    return call(method, path, () => {
      host.makeDirectory(path, 0o700)
      return path
    })
  })

const makeTempFile = (method: string): FileSystem.FileSystem["makeTempFile"] => (options) =>
  Effect.flatMap(makeTempDirectory(method)(options), (directory) => {
    const path = `${directory}/${randomName(12)}${options?.suffix ?? ""}`
    return Effect.as(writeFile(path, new Uint8Array(0)), path)
  })

const removeAfterwards = (path: string) => Effect.orDie(remove(path, { recursive: true, force: true }))

const copy: FileSystem.FileSystem["copy"] = (from, to, options) =>
  Effect.gen(function*() {
    const info = yield* files.lstat(from)
    const there = yield* Effect.option(files.lstat(to))
    if (info.type === "Directory") {
      if (there._tag === "None") yield* files.makeDirectory(to, { mode: info.mode & 0o7777 })
      for (const name of yield* files.readDirectory(from)) yield* copy(`${from}/${name}`, `${to}/${name}`, options)
    } else if (there._tag === "Some" && options?.overwrite !== true) return
    else if (info.type === "SymbolicLink") {
      if (there._tag === "Some") yield* remove(to)
      yield* files.symlink(yield* files.readLink(from), to)
      return
    } else yield* files.copyFile(from, to)
    if (options?.preserveTimestamps === true && info.atime._tag === "Some" && info.mtime._tag === "Some") {
      yield* files.utimes(to, info.atime.value, info.mtime.value)
    }
  })

const seconds = (time: Date | number): number => typeof time === "number" ? time : time.getTime() / 1000

const files: FileSystem.FileSystem = FileSystem.make({
  access: (path, options) =>
    call("access", path, () => host.access(path, options?.readable === true, options?.writable === true)),
  chmod: (path, mode) => call("chmod", path, () => host.changeMode(path, mode)),
  chown: (path, user, group) => call("chown", path, () => host.changeOwner(path, user, group)),
  copy,
  copyFile: (from, to) => call("copyFile", from, () => host.copyFile(from, to)),
  link: (from, to) => call("link", from, () => host.link(from, to)),
  lstat: (path) =>
    call("lstat", path, () => {
      host.stat(path, false, FileInfo.space)
      return FileInfo.info()
    }),
  makeDirectory: (path, options) =>
    options?.recursive === true
      ? makeParents(path, options.mode ?? newDirectory)
      : call("makeDirectory", path, () => host.makeDirectory(path, options?.mode ?? newDirectory)),
  makeTempDirectory: makeTempDirectory("makeTempDirectory"),
  makeTempDirectoryScoped: (options) =>
    Effect.acquireRelease(makeTempDirectory("makeTempDirectoryScoped")(options), removeAfterwards),
  makeTempFile: makeTempFile("makeTempFile"),
  makeTempFileScoped: (options) =>
    Effect.acquireRelease(makeTempFile("makeTempFileScoped")(options), (path) => removeAfterwards(parentOf(path))),
  open: (path, options) => {
    const flag = options?.flag ?? "r"
    const more = options?.noFollow === true ? noFollow : 0
    return Effect.map(
      Effect.acquireRelease(
        call("open", path, () => host.open(path, flags[flag] | more, options?.mode ?? newFile)),
        (descriptor) => Effect.sync(() => host.close(descriptor))
      ),
      (descriptor) => OpenFile.make(descriptor, flag.startsWith("a"))
    )
  },
  readDirectory: (path, options) =>
    call(
      "readDirectory",
      path,
      () => options?.recursive === true ? namesBelow(path, "") : host.readDirectory(path, false)
    ),
  readDirectoryEntries,
  readFile,
  readLink: (path) => call("readLink", path, () => host.readLink(path)),
  realPath: (path) => call("realPath", path, () => host.realPath(path)),
  remove,
  rename: (from, to) => call("rename", from, () => host.rename(from, to)),
  stat: (path) =>
    call("stat", path, () => {
      host.stat(path, true, FileInfo.space)
      return FileInfo.info()
    }),
  symlink: (target, path) => call("symlink", path, () => host.symlink(target, path)),
  truncate: (path, length) => call("truncate", path, () => host.truncate(path, length ?? 0)),
  utimes: (path, accessed, modified) =>
    call("utime", path, () => host.setTimes(path, seconds(accessed), seconds(modified))),
  watch: () =>
    Stream.fail(
      PlatformError.badArgument({ module: "FileSystem", method: "watch", description: "files are not watched here" })
    ),
  writeFile
})

export const layer = Layer.succeed(FileSystem.FileSystem, files)
