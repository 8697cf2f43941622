/** Looks at data directories, makes them, and writes their records. Decides nothing. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
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
import type { Claim as Judge, Claimed, Purpose } from "./TrustedDirectory.ts"

/** Siblings that are looked at; a directory with more of them is not one in which images are kept. */
const mostSiblings = 1_000

/** Milliseconds after which an unfinished directory belongs to nobody any more. */
const abandoned = 600_000
const part = /^\.fim-[0-9a-f]{16}\.part$/

/** What a record's file holds. `damage` says why it is none. */
interface Held {
  readonly record?: DataRecord
  readonly damage?: string
}

/** A directory and what it is to the image. */
export type Look =
  | { readonly _tag: "Absent" }
  /** `claimed` says why, where it was judged. */
  | { readonly _tag: "Unusable"; readonly owner: number; readonly claimed: Claimed | undefined }
  | { readonly _tag: Claim; readonly record: DataRecord | undefined; readonly damage: string | undefined }

const damaged = (damage: string): Held => ({ damage })

const random = Effect.map(
  Effect.promise(() => import("effect/crypto/SecureRandom")),
  ({ randomBytesUnsafe }) => Buffer.from(randomBytesUnsafe(8)).toString("hex")
)

const ownerOf = (info: FileSystem.File.Info): number => Option.getOrElse(info.uid, () => -1)
const inodeOf = (info: FileSystem.File.Info): string => String(Option.getOrElse(info.ino, () => 0n))

/** The image at a path, with what tells its file from others. */
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

/** The record in a directory. Only a plain file counts that belongs to the caller, to root or to the directory's owner. */
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
  return Result.isSuccess(parsed) ? { record: parsed.success } satisfies Held : damaged(parsed.failure)
})

/** How directories are judged. With `making`, rooms that one lacks are made. */
export interface Judging {
  readonly claim: Judge
  readonly making: boolean
}

/** Judges a directory. Who cannot be asked has not said that it is safe. */
const judged = (directory: string, claim: Judge, purpose: Purpose) =>
  Effect.catch(
    claim(directory, purpose),
    ({ message }) => Effect.succeed<Claimed>({ usable: false, notable: true, reason: message, remedy: null })
  )

/** Looks at a directory. Without `judging` only at its record: for who neither runs nor reads anything else in it. */
export const look = Effect.fnUntraced(function*(
  directory: string,
  image: ImageFile,
  uid: number,
  judging: Judging | undefined
) {
  const fs = yield* FileSystem.FileSystem
  const unusable = (claimed?: Claimed) =>
    Effect.map(
      Effect.option(fs.stat(directory)),
      (info): Look =>
        Option.isNone(info) ? { _tag: "Absent" } : { _tag: "Unusable", owner: ownerOf(info.value), claimed }
    )
  const held = yield* Effect.result(readRecord(directory, uid))
  const isMissing = Result.isFailure(held) && held.failure.reason._tag === "NotFound"
  const { damage, record }: Held = Result.isSuccess(held) ? held.success : {}
  const found: Look = { _tag: claimOf(record, image), record, damage }
  if (Result.isSuccess(held) && found._tag === "Foreign") return found
  if (Result.isFailure(held)) {
    const there = yield* unusable()
    if (there._tag === "Absent" || (!isMissing && judging === undefined)) return there
  }
  if (judging === undefined) return found
  const claimed = yield* judged(directory, judging.claim, judging.making ? "make" : "find")
  if (claimed.usable && (isMissing || Result.isSuccess(held))) return found
  return yield* unusable(claimed)
})

/** Writes a file beside its place, and gives it its name in one step. */
const writeRecord = Effect.fnUntraced(function*(directory: string, record: DataRecord, isFirst: boolean) {
  const fs = yield* FileSystem.FileSystem
  const path = `${directory}/${recordName}`
  const temporary = `${directory}/.fim-${yield* random}.part`
  const put = isFirst
    // A link fails where somebody else was first; some file systems have none.
    ? fs.link(temporary, path).pipe(
      Effect.catchIf((error) => error.reason._tag !== "AlreadyExists", () => fs.rename(temporary, path))
    )
    : fs.rename(temporary, path)
  yield* fs.writeFileString(temporary, recordText(record), { flag: "wx", mode: 0o600 }).pipe(
    Effect.andThen(put),
    Effect.ensuring(Effect.ignore(fs.remove(temporary, { force: true })))
  )
})

/** Says in a directory that it is the image's. False when another image has said so meanwhile, without a record before. */
export const claim = Effect.fnUntraced(function*(directory: string, image: ImageFile, before: Look) {
  const record = recordOf(image)
  if (record === undefined) return true
  const isFirst = before._tag === "Unclaimed" && before.damage === undefined
  return yield* writeRecord(directory, record, isFirst).pipe(
    Effect.as(true),
    Effect.catchIf((error) => isFirst && error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
    // A full disk is no reason not to start.
    Effect.catch((error) =>
      Effect.as(Effect.logDebug(`The record of '${directory}' was not written: ${error.message}`), true)
    )
  )
})

/**
 * Makes a data directory that has its record from the first moment on. The answer is `Made`; `Taken` when something has its
 * name by now; or why it cannot be used.
 */
export const make = Effect.fnUntraced(function*(parent: string, name: string, image: ImageFile, claim: Judge) {
  const fs = yield* FileSystem.FileSystem
  const place = yield* judged(`${parent}/${name}`, claim, "place")
  if (!place.usable) return place
  yield* fs.makeDirectory(parent, { recursive: true, mode: 0o700 })
  const temporary = `${parent}/.fim-${yield* random}.part`
  const record = recordOf(image)
  const fill = Effect.gen(function*() {
    yield* fs.makeDirectory(temporary, { mode: 0o700 })
    const inside = yield* judged(temporary, claim, "make")
    if (!inside.usable) {
      return { ...inside, reason: inside.reason?.replaceAll(temporary, `${parent}/${name}`) ?? null } satisfies Claimed
    }
    if (record !== undefined) {
      yield* fs.writeFileString(`${temporary}/${recordName}`, recordText(record), { flag: "wx", mode: 0o600 })
    }
    // A directory takes the place of nothing, or of an empty directory.
    return yield* Effect.result(fs.rename(temporary, `${parent}/${name}`))
  })
  const filled = yield* fill.pipe(
    Effect.ensuring(Effect.ignore(fs.remove(temporary, { recursive: true, force: true })))
  )
  if ("usable" in filled) return filled
  if (Result.isSuccess(filled)) return "Made" as const
  const isThere = yield* Effect.isSuccess(fs.access(`${parent}/${name}`))
  return isThere ? "Taken" as const : yield* filled.failure
})

/** Removes what killed starts have left in the directory where data directories are made. */
export const removeAbandoned = Effect.fnUntraced(function*(parent: string, names: ReadonlyArray<string>, now: number) {
  const fs = yield* FileSystem.FileSystem
  for (const name of names.filter((name) => part.test(name))) {
    const path = `${parent}/${name}`
    const info = yield* Effect.option(fs.lstat(path))
    const age = Option.flatMap(info, ({ mtime }) => mtime).pipe(Option.map((time) => now - time.getTime()))
    if (Option.exists(age, (age) => age > abandoned)) yield* Effect.ignore(fs.remove(path, { recursive: true }))
  }
})

/** What became of the file in a record. */
const fileOf = Effect.fnUntraced(function*(record: DataRecord, image: ImageFile) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.result(fs.stat(record.path))
  if (Result.isFailure(info)) {
    const { _tag } = info.failure.reason
    // What cannot be looked at counts as there.
    return _tag === "NotFound" || _tag === "BadResource" ? "Gone" : "Copy"
  }
  const there = { ...image, device: String(info.success.dev), inode: inodeOf(info.success) }
  if (there.device === image.device && there.inode === image.inode) return "This"
  const { identityOf } = yield* Effect.promise(() => import("../image/IdentityReader.ts"))
  const identity = yield* Effect.result(identityOf(record.path))
  return Result.isFailure(identity) || identity.success === record.identity ? "Copy" : "Gone"
})

/**
 * Directories of the caller in `parent` whose records have the identity of the image, by name. Others' do not count: who may
 * put a directory beside the image could otherwise choose what it runs.
 */
export const siblings = Effect.fnUntraced(function*(parent: string, image: ImageFile, uid: number) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(parent), () => [])
  const found: Array<Sibling> = []
  for (const name of names.filter(isDataName).sort().slice(0, mostSiblings)) {
    const directory = `${parent}/${name}`
    const owned = yield* Effect.option(Effect.all([fs.lstat(directory), fs.stat(directory)]))
    if (Option.isNone(owned) || owned.value.some((info) => ownerOf(info) !== uid)) continue
    const held = yield* Effect.result(readRecord(directory, uid))
    const record = Result.isSuccess(held) ? (held.success as Held).record : undefined
    if (record === undefined || image.identity === undefined || record.identity !== image.identity) continue
    found.push({ directory, record, file: yield* fileOf(record, image) })
  }
  return { found, names }
})

/** Whether the file in the record of a directory is another one than the image, and still there. */
export const isOthers = Effect.fnUntraced(function*(record: DataRecord, image: ImageFile) {
  if (isSameFile(record, image)) return false
  return (yield* fileOf(record, image)) === "Copy"
})

/** Whether the image has two names, and the record the other one: then it stays as it is. */
export const isOtherName = Effect.fnUntraced(function*(record: DataRecord, image: ImageFile) {
  return isSameFile(record, image) && record.identity === image.identity && record.path !== image.path &&
    (yield* fileOf(record, image)) === "This"
})
