/** Writes to an image through `fim patch`, which holds the lock and keeps the file open for writing for microseconds. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
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

/** The error for a reply `error ERRNO TEXT`. */
const patchError = (target: Target, reply: string): ReservedSpaceError => {
  const [, errno = "0", text = reply] = /^error (\d+) (.*)$/.exec(reply) ?? []
  const detail = text.replace(/ \(os error \d+\)$/, "")
  switch (Number(errno)) {
    case EPERM:
    case EACCES:
    case EROFS:
      return new ReservedSpaceError({ path: target.path, reason: Reason.ReadOnly({ detail }) })
    case ETXTBSY:
      return new ReservedSpaceError({
        path: target.path,
        reason: Reason.Busy({ detail: "it was started again and again for 30 seconds" })
      })
    case ETIMEDOUT:
      return new ReservedSpaceError({
        path: target.path,
        reason: Reason.Busy({ detail: `another program held its lock for ${target.wait} seconds` })
      })
    default:
      return new ReservedSpaceError({ path: target.path, reason: Reason.Io({ detail }) })
  }
}

/** Takes the lock; `apply` writes one stage. Released with the scope, or when either process dies. */
const acquire = Effect.fnUntraced(function*(target: Target) {
  const stages = yield* Effect.acquireRelease(Queue.make<Uint8Array, Cause.Done>(), Queue.shutdown)
  const range = `${target.offset}:${reservedSize}`
  const args = ["patch", target.path, "--range", range, "--wait", String(target.wait)]
  const handle = yield* ChildProcess.make(target.patcher, args, {
    // In our process group: a separate group would keep the lock when ours is killed.
    detached: false,
    stdin: Stream.fromQueue(stages),
    stdout: "pipe",
    stderr: "ignore"
  }).pipe(Effect.mapError(platformError(target.path)))
  const pull = yield* Stream.toPull(handle.stdout.pipe(Stream.decodeText(), Stream.splitLines))
  const reply = Effect.gen(function*() {
    const [line] = yield* pull
    return line
  }).pipe(
    Effect.catch((error) =>
      Cause.isDone(error)
        ? Effect.succeed(`error 0 '${target.patcher}' ended without a reply`)
        : Effect.fail(platformError(target.path)(error))
    )
  )
  const expect = Effect.fnUntraced(function*(pattern: RegExp) {
    const line = yield* reply
    const match = pattern.exec(line)
    if (match === null) return yield* patchError(target, line)
    return match
  })
  const [, device = "", inode = ""] = yield* expect(/^locked (\d+) (\d+)$/)
  return {
    device: BigInt(device),
    inode: BigInt(inode),
    apply: Effect.fnUntraced(function*(stage: Stage) {
      yield* Queue.offer(stages, encodeStage(stage))
      yield* expect(/^done$/)
    })
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
