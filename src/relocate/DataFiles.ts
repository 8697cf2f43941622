/** Reads and creates data directories, and writes their records. It makes no decisions. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { isOwnEntry } from "../image/OwnEntry.ts"
import { replaceWith } from "../PartFile.ts"
import { drawHex } from "../RandomName.ts"
import {
  type Claim,
  claimOf,
  type DataRecord,
  type ImageFile,
  isDataName,
  isSameFile,
  parseRecord,
  recordLimit,
  recordName,
  recordOf,
  recordText,
  type Sibling
} from "./DataRecord.ts"
import { type Examine, problemOf } from "./TrustedDirectory.ts"

/** How many siblings are read. A directory with more is not one of images. */
const maxSiblings = 1_000

/** Milliseconds after which an unfinished directory counts as abandoned. */
const abandoned = 600_000
const part = /^\.fim-[0-9a-f]{16}\.part$/

/** The content of a record file. `damage` is the reason why it is not valid. */
interface RecordFile {
  readonly record?: DataRecord
  readonly damage?: string
}

/** A directory and its relation to the image. */
export type DirectoryState =
  | { readonly _tag: "Absent" }
  /** `problem` is the reason. It is `notable` if others can change the directory. */
  | { readonly _tag: "Unusable"; readonly owner: number; readonly problem: string; readonly notable: boolean }
  | { readonly _tag: Claim; readonly record: DataRecord | undefined; readonly damage: string | undefined }

const damaged = (damage: string): RecordFile => ({ damage })

const random = drawHex(8)

const ownerOf = (info: FileSystem.File.Info): number => Option.getOrElse(info.uid, () => -1)
const inodeOf = (info: FileSystem.File.Info): string => String(Option.getOrElse(info.ino, () => 0n))

/** The image at a path, with the device and inode of its file. */
export const imageFile = Effect.fnUntraced(
  function*(path: string, identified: Pick<ImageFile, "identity" | "formerly">) {
    const fs = yield* FileSystem.FileSystem
    const info = yield* fs.stat(path)
    return {
      image: { ...identified, path, device: String(info.dev), inode: inodeOf(info) } satisfies ImageFile,
      owner: ownerOf(info)
    }
  }
)

/**
 * Reads the record of a directory. Only a regular file counts that belongs to the caller, to root or to the directory's
 * owner.
 */
const readRecord = Effect.fnUntraced(function*(directory: string, uid: number) {
  const fs = yield* FileSystem.FileSystem
  const path = `${directory}/${recordName}`
  const info = yield* fs.lstat(path)
  if (info.type !== "File") return damaged("it is not a plain file")
  if (info.size > recordLimit) return damaged(`it has ${info.size} bytes`)
  const owner = ownerOf(info)
  if (owner !== uid && owner !== 0 && owner !== ownerOf(yield* fs.stat(directory))) {
    return damaged(`it belongs to user ${owner}`)
  }
  const parsed = parseRecord(yield* fs.readFileString(path))
  return Result.isSuccess(parsed) ? { record: parsed.success } satisfies RecordFile : damaged(parsed.failure)
})

/** Classifies a directory by its record, regardless of who can change it. */
export const recorded = Effect.fnUntraced(function*(directory: string, image: ImageFile, uid: number) {
  const fs = yield* FileSystem.FileSystem
  const content = yield* Effect.result(readRecord(directory, uid))
  if (Result.isFailure(content)) {
    const info = yield* Effect.option(fs.stat(directory))
    if (Option.isNone(info)) return { _tag: "Absent" } satisfies DirectoryState as DirectoryState
    if (content.failure.reason._tag !== "NotFound") {
      const problem = `its record cannot be read: ${content.failure.message}`
      return {
        _tag: "Unusable",
        owner: ownerOf(info.value),
        problem,
        notable: false
      } satisfies DirectoryState as DirectoryState
    }
  }
  const { damage, record }: RecordFile = Result.isSuccess(content) ? content.success : {}
  return { _tag: claimOf(record, image), record, damage } satisfies DirectoryState as DirectoryState
})

/** How directories are checked. */
export interface InspectOptions {
  readonly uid: number
  /** Whether missing subdirectories are created. */
  readonly making: boolean
  readonly examine: Examine
}

/** Classifies a directory. One that others can change is not used, whatever it contains. */
export const inspectDirectory = Effect.fnUntraced(
  function*(directory: string, image: ImageFile, { examine, making, uid }: InspectOptions) {
    const fs = yield* FileSystem.FileSystem
    const found = yield* recorded(directory, image, uid)
    if (found._tag === "Absent") return found
    // Nothing is created in another image's directory. If a record cannot be read, the check of its owner gives the best
    // reason.
    const isOwn = found._tag === "Ours" || found._tag === "Unclaimed"
    const judged = yield* examine(directory, making && isOwn ? "rooms" : "find")
    if (judged.usable) return found
    const info = yield* Effect.option(fs.stat(directory))
    if (Option.isNone(info)) return { _tag: "Absent" } satisfies DirectoryState as DirectoryState
    const { notable } = judged
    return {
      _tag: "Unusable",
      owner: ownerOf(info.value),
      problem: problemOf(judged),
      notable
    } satisfies DirectoryState as DirectoryState
  }
)

/** Writes the record of a directory. Fails with `AlreadyExists` if it is to be the first and is not. */
const writeRecord = Effect.fnUntraced(function*(directory: string, record: DataRecord, isFirst: boolean) {
  const fs = yield* FileSystem.FileSystem
  const path = `${directory}/${recordName}`
  yield* replaceWith(path, recordText(record), 0o600, (part) =>
    isFirst
      // The link fails if another start was faster. Some file systems have no links.
      ? fs.link(part, path).pipe(
        Effect.catchIf((error) => error.reason._tag !== "AlreadyExists", () => fs.rename(part, path))
      )
      : fs.rename(part, path))
})

/** Records the image as the owner of a directory. Returns false if another image has been recorded meanwhile. */
export const claim = Effect.fnUntraced(function*(directory: string, image: ImageFile, before: DirectoryState) {
  const record = recordOf(image)
  if (record === undefined) return true
  const isFirst = before._tag === "Unclaimed" && before.damage === undefined
  return yield* writeRecord(directory, record, isFirst).pipe(
    Effect.as(true),
    Effect.catchIf((error) => isFirst && error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
    // A full disk must not prevent a start.
    Effect.catch((error) =>
      Effect.as(Effect.logDebug(`The record of '${directory}' was not written: ${error.message}`), true)
    )
  )
})

/** Creates a data directory that contains its record from the first moment. Returns false if the name exists by now. */
export const make = Effect.fnUntraced(function*(parent: string, name: string, image: ImageFile, examine: Examine) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(parent, { recursive: true, mode: 0o700 })
  const temporary = `${parent}/.fim-${yield* random}.part`
  const record = recordOf(image)
  const fill = Effect.gen(function*() {
    const judged = yield* examine(temporary, "make")
    if (!judged.usable) return yield* Effect.fail({ message: problemOf(judged) })
    if (record !== undefined) {
      yield* fs.writeFileString(`${temporary}/${recordName}`, recordText(record), { flag: "wx", mode: 0o600 })
    }
    // The rename replaces nothing, or an empty directory.
    return yield* Effect.result(fs.rename(temporary, `${parent}/${name}`))
  })
  const renamed = yield* fill.pipe(
    Effect.ensuring(Effect.ignore(fs.remove(temporary, { recursive: true, force: true })))
  )
  if (Result.isSuccess(renamed)) return true
  const isThere = yield* Effect.isSuccess(fs.access(`${parent}/${name}`))
  return isThere ? false : yield* renamed.failure
})

/** Removes unfinished data directories of killed starts. */
export const removeAbandoned = Effect.fnUntraced(function*(parent: string, names: ReadonlyArray<string>, now: number) {
  const fs = yield* FileSystem.FileSystem
  for (const name of names.filter((name) => part.test(name))) {
    const path = `${parent}/${name}`
    if (!(yield* isOwnEntry(fs, path))) continue
    const info = yield* Effect.option(fs.lstat(path))
    const age = Option.flatMap(info, ({ mtime }) => mtime).pipe(Option.map((time) => now - time.getTime()))
    if (Option.exists(age, (age) => age > abandoned)) yield* Effect.ignore(fs.remove(path, { recursive: true }))
  }
})

/** What has happened to the file that a record names. */
const fileOf = Effect.fnUntraced(function*(record: DataRecord, image: ImageFile) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.result(fs.stat(record.path))
  if (Result.isFailure(info)) {
    const { _tag } = info.failure.reason
    // A path that cannot be read counts as existing.
    return _tag === "NotFound" || _tag === "BadResource" ? "Gone" : "Copy"
  }
  const there = { ...image, device: String(info.success.dev), inode: inodeOf(info.success) }
  if (there.device === image.device && there.inode === image.inode) return "This"
  const { identityOf } = yield* Effect.promise(() => import("../image/IdentityReader.ts"))
  const identity = yield* Effect.result(identityOf(record.path))
  return Result.isFailure(identity) || identity.success === record.identity ? "Copy" : "Gone"
})

/**
 * The caller's directories in `parent` whose records have the identity of the image, sorted by name. Those of other users
 * do not count: another user who can create a directory beside the image could otherwise choose what it runs.
 */
export const siblings = Effect.fnUntraced(function*(parent: string, image: ImageFile, uid: number) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(parent), () => [])
  const found: Array<Sibling> = []
  for (const name of names.filter(isDataName).sort().slice(0, maxSiblings)) {
    const directory = `${parent}/${name}`
    const owned = yield* Effect.option(Effect.all([fs.lstat(directory), fs.stat(directory)]))
    if (Option.isNone(owned) || owned.value.some((info) => ownerOf(info) !== uid)) continue
    const content = yield* Effect.result(readRecord(directory, uid))
    const record = Result.isSuccess(content) ? (content.success as RecordFile).record : undefined
    if (record === undefined || image.identity === undefined || record.identity !== image.identity) continue
    found.push({ directory, record, file: yield* fileOf(record, image) })
  }
  return { found, names }
})

/** Whether the file that the record names is another file than the image, and still exists. */
export const isOthers = Effect.fnUntraced(function*(record: DataRecord, image: ImageFile) {
  if (isSameFile(record, image)) return false
  return (yield* fileOf(record, image)) === "Copy"
})

/** Whether the image has two names and the record contains the other one. Then the record stays. */
export const isOtherName = Effect.fnUntraced(function*(record: DataRecord, image: ImageFile) {
  return isSameFile(record, image) && record.identity === image.identity && record.path !== image.path &&
    (yield* fileOf(record, image)) === "This"
})
