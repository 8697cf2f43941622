/** Writes to an image through `fim patch`, which holds the lock and keeps the file open for writing for microseconds. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { open, type ProgramError } from "../messages/NativeProgram.ts"
import { Done } from "../messages/Reply.ts"
import { NativeBytes } from "../platform/NativeBytes.ts"
import * as Journal from "./Journal.ts"
import * as JournalRecord from "./JournalRecord.ts"
import { encodeStage, type Stage } from "./PatchStages.ts"
import { type FieldName, journal, reservedSize, slots } from "./ReservedLayout.ts"
import { readAt, readJournal, type Source } from "./ReservedReader.ts"
import { platformError, Reason, ReservedSpaceError } from "./ReservedSpaceError.ts"

/** The image to write to. */
export interface Target {
  readonly path: string
  readonly offset: number
  readonly patcher: string
  /** Seconds to wait for other writers. */
  readonly wait: number
}

const EPERM = 1
const EACCES = 13
const ETXTBSY = 26
const EROFS = 30
const ETIMEDOUT = 110

/** The error for a request that failed. */
const patchError = (target: Target) => (error: ProgramError): ReservedSpaceError => {
  const { path } = target
  const detail = error.message.replace(/ \(os error \d+\)$/, "")
  const because = (reason: Reason) => new ReservedSpaceError({ path, reason, cause: error })
  switch (error.errno) {
    case EPERM:
    case EACCES:
    case EROFS:
      return because(Reason.ReadOnly({ detail }))
    case ETXTBSY:
      return because(Reason.Busy({ detail: "it was started again and again for 30 seconds" }))
    case ETIMEDOUT:
      return because(Reason.Busy({ detail: `another program held its lock for ${target.wait} seconds` }))
    default:
      return because(Reason.Io({ detail }))
  }
}

const Locked = Schema.Struct({ device: Schema.BigIntFromString, inode: Schema.BigIntFromString })

/** Takes the lock; `apply` writes one stage. Released with the scope, or when either process dies. */
const acquire = Effect.fnUntraced(function*(target: Target) {
  const range = `${target.offset}:${reservedSize}`
  const args = ["patch", target.path, "--range", range, "--wait", String(target.wait)]
  const failed = Effect.mapError(patchError(target))
  const session = yield* failed(open(target.patcher, args, { stderr: "ignore" }))
  const { content: { device, inode } } = yield* failed(session.reply("lock", Locked))
  return {
    device,
    inode,
    apply: (stage: Stage) => {
      const { body, fields, operation } = encodeStage(stage)
      return Effect.asVoid(failed(session.ask(operation, fields, Done, body)))
    }
  }
})

/** A locked image. */
export interface Session {
  readonly source: Source
  readonly slot: (field: FieldName) => Effect.Effect<Uint8Array, ReservedSpaceError>
  readonly commit: (changes: ReadonlyArray<Journal.Change>) => Effect.Effect<void, ReservedSpaceError>
  readonly apply: (stage: Stage) => Effect.Effect<void, ReservedSpaceError>
  /** Size of the file in bytes, after the work of a killed writer was completed. */
  readonly fileSize: number
}

/**
 * Runs `use` with the lock held, the image open, and the work of a killed writer completed. `commit` writes the changes,
 * all or none, and cannot be interrupted half-way.
 */
export const locked = Effect.fnUntraced(function*<A, E, R>(
  target: Target,
  use: (session: Session) => Effect.Effect<A, E, R>
) {
  const fs = yield* FileSystem.FileSystem
  const native = yield* NativeBytes
  const lock = yield* acquire(target)
  const file = yield* fs.open(target.path).pipe(Effect.mapError(platformError(target.path)))
  const info = yield* file.stat.pipe(Effect.mapError(platformError(target.path)))
  if (info.dev !== lock.device || info.ino._tag === "None" || info.ino.value !== lock.inode) {
    return yield* new ReservedSpaceError({
      path: target.path,
      reason: Reason.Busy({ detail: "another file was put in its place" })
    })
  }
  const source: Source = { path: target.path, offset: target.offset, file }
  const { header, pending } = yield* readJournal(
    source,
    yield* readAt(source, journal.offset, JournalRecord.headerSize)
  )
  const tailStart = JournalRecord.tailStart(target.offset, header)
  const recovery = Journal.recovery(native, {
    reservedOffset: target.offset,
    header,
    pending,
    fileSize: Number(info.size),
    tail: tailStart === undefined
      ? new Uint8Array(0)
      : yield* readAt(source, tailStart - target.offset, JournalRecord.tailHeaderSize)
  })
  yield* Effect.uninterruptible(Effect.forEach(recovery.stages, lock.apply, { discard: true }))
  return yield* use({
    source,
    slot: (field) => readAt(source, slots[field].offset, slots[field].size),
    commit: (changes) =>
      Effect.forEach(
        Journal.plan(native, { reservedOffset: target.offset, header, fileSize: recovery.fileSize, changes }),
        lock.apply,
        { discard: true }
      ).pipe(Effect.uninterruptible),
    apply: lock.apply,
    fileSize: recovery.fileSize
  })
}, Effect.scoped)
