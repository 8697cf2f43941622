/**
 * Names on Node, which gives them as text and loses the bytes that are not UTF-8. The command line refuses such names before it does
 * anything, so that it never acts on another file than the caller means. Images carry any bytes: `docs/decisions/0017-engine.md`.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import { isUtf8 } from "node:buffer"
import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs"
import { printable } from "../src/Printable.ts"

/** A name that Node cannot carry. The message says what it names and what to do. */
class NameError extends Data.TaggedError("NameError")<{
  readonly what: string
  readonly name: Uint8Array
  readonly remedy: string
}> {
  override get message(): string {
    return `this name is not UTF-8: ${this.what} '${escaped(this.name)}': ${this.remedy}`
  }
}

/** Bytes as a part of a line: each that is no part of a character as `\xff`. */
const escaped = (bytes: Uint8Array): string => {
  let text = ""
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((length) => at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)))
    text += length === undefined
      ? `\\x${(bytes[at] ?? 0).toString(16)}`
      : printable(Buffer.from(bytes.subarray(at, at + length)).toString())
    at += length ?? 1
  }
  return text
}

/** The strings of a file of the kernel, each of which ends with a zero byte. */
const stringsOf = (path: string): ReadonlyArray<Uint8Array> => {
  const content = readFileSync(path)
  const strings: Array<Uint8Array> = []
  for (let at = 0; at < content.length;) {
    const end = content.indexOf(0, at)
    strings.push(content.subarray(at, end < 0 ? content.length : end))
    at = end < 0 ? content.length : end + 1
  }
  return strings
}

/**
 * The variables that change what we do. The rest of the environment is only handed on to programs of the machine, none of which
 * depends on it.
 */
const read =
  /^(?:FLATIMAGE_\w+|FIM_\w+|XDG_\w+|PATH|HOME|CARGO_HOME|TMPDIR|TMP|TEMP|SOURCE_DATE_EPOCH|SSL_CERT_(?:FILE|DIR)|NODE_\w+)$|^(?:https?|no|all)_proxy$/i

const strange = (): NameError | undefined => {
  // In front of ours are Node, its options and the program.
  const words = stringsOf("/proc/self/cmdline").slice(-process.argv.length).slice(2)
  const word = words.find((word) => !isUtf8(word))
  if (word !== undefined) {
    return new NameError({
      what: "the argument",
      name: word,
      remedy: "change it; a file can be reached by another name: ln -s FILE NAME"
    })
  }
  for (const entry of stringsOf("/proc/self/environ")) {
    if (isUtf8(entry)) continue
    const end = entry.indexOf(0x3d)
    const name = Buffer.from(entry.subarray(0, end)).toString()
    if (read.test(name)) {
      return new NameError({
        what: `the variable ${name}`,
        name: entry.subarray(end + 1),
        remedy: `give it another value, or remove it: unset ${name}`
      })
    }
  }
  const directory = readlinkSync("/proc/self/cwd", { encoding: "buffer" })
  return isUtf8(directory) ? undefined : new NameError({
    what: "the working directory",
    name: directory,
    remedy: "run flatimage in another directory, with the whole paths of files: cd /"
  })
}

/** Fails with `NameError` if an argument, a variable that we read or the working directory is not UTF-8. */
export const check: Effect.Effect<void, NameError> = Effect.suspend(() => {
  const error = strange()
  return error === undefined ? Effect.void : Effect.fail(error)
})

const lost = "\ufffd"

const refused = (method: string, path: string, error: NameError) =>
  Effect.fail(
    PlatformError.systemError({
      _tag: "InvalidData",
      module: "FileSystem",
      method,
      pathOrDescriptor: path,
      description: error.message,
      cause: error
    })
  )

/** The names that the system gives, as bytes. None where it fails: Node has said why. */
const bytesOf = (act: () => ReadonlyArray<Uint8Array>) =>
  Effect.orElseSucceed(Effect.try(act), (): ReadonlyArray<Uint8Array> => [])

const strangeAmong = (what: string, act: () => ReadonlyArray<Uint8Array>) =>
  Effect.map(bytesOf(act), (names) => {
    const name = names.find((name) => !isUtf8(name))
    return name === undefined ? undefined : new NameError({ what, name, remedy: "rename it" })
  })

/**
 * Effect's file system, which fails with `InvalidData` for a directory, a link and a real path with a name that is not UTF-8, in place of
 * giving another name. Names are looked at a second time only where one has the character that Node puts for what it loses.
 */
export const layer: Layer.Layer<FileSystem.FileSystem, never, FileSystem.FileSystem> = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs): FileSystem.FileSystem => ({
    ...fs,
    readDirectory: (path, options) =>
      Effect.tap(fs.readDirectory(path, options), (names) =>
        names.some((name) => name.includes(lost))
          ? strangeAmong(
            "the file",
            () => readdirSync(path, { encoding: "buffer", recursive: options?.recursive ?? false })
          ).pipe(Effect.flatMap((error) => error === undefined ? Effect.void : refused("readDirectory", path, error)))
          : Effect.void),
    readLink: (path) =>
      Effect.tap(fs.readLink(path), (target) =>
        target.includes(lost)
          ? strangeAmong("the target of the link", () => [readlinkSync(path, { encoding: "buffer" })]).pipe(
            Effect.flatMap((error) => error === undefined ? Effect.void : refused("readLink", path, error))
          )
          : Effect.void),
    // It follows links one by one, and finds nothing where one of them has lost bytes.
    realPath: (path) =>
      fs.realPath(path).pipe(
        Effect.catch((failure) =>
          Effect.flatMap(
            strangeAmong("the real path", () => [realpathSync.native(path, { encoding: "buffer" })]),
            (error) => error === undefined ? Effect.fail(failure) : refused("realPath", path, error)
          )
        ),
        Effect.tap((real) =>
          real.includes(lost)
            ? strangeAmong("the real path", () => [realpathSync.native(path, { encoding: "buffer" })]).pipe(
              Effect.flatMap((error) => error === undefined ? Effect.void : refused("realPath", path, error))
            )
            : Effect.void
        )
      )
  }))
)
