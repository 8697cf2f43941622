import * as Effect from "effect/Effect"
import { rmSync, statSync } from "node:fs"
import { availableParallelism } from "node:os"
import { as, type Caller } from "./Caller.ts"
import { type Command, timed } from "./Processes.ts"
import { project, type Subject } from "./Subject.ts"

/** What a packer made of the tree, and how long it took. */
export interface Made {
  readonly size: number
  readonly milliseconds: number
}

/** A level of `mkdwarfs`, and squashfs with the same strength of zstd. */
export interface Packing {
  readonly level: number
  readonly strength: number
  readonly own: Made
  readonly others: ReadonlyArray<{ readonly block: string; readonly made: Made }>
}

/** Levels, and the strength of zstd that each stands for. */
const strengths = { 5: 12, 6: 15, 7: 19 } as const
export type Level = keyof typeof strengths

const threads = String(availableParallelism())

const make = Effect.fnUntraced(function*(caller: Caller, path: string, argv: Command["argv"]) {
  const { ended } = yield* timed(as(caller, argv))
  const made: Made = { size: statSync(path).size, milliseconds: ended }
  rmSync(path)
  return made
})

const squashfs = (subject: Subject, caller: Caller, work: string, strength: number, block: string) => {
  const path = `${work}/packed.squashfs`
  const compression = ["-comp", "zstd", "-Xcompression-level", String(strength), "-b", block]
  const quiet = ["-no-progress", "-quiet", "-noappend"]
  return make(caller, path, ["mksquashfs", subject.root, path, ...compression, "-processors", threads, ...quiet])
}

/** Packs the tree at each of these levels, and as squashfs with its usual blocks and with its largest. */
export const packings = Effect.fn("Packing.packings")(function*(
  subject: Subject,
  caller: Caller,
  work: string,
  levels: ReadonlyArray<Level>
) {
  const made: Array<Packing> = []
  for (const level of levels) {
    const path = `${work}/packed.dwarfs`
    const program = `${project}/build/native/mkdwarfs`
    const own = yield* make(caller, path, [
      program,
      "-i",
      subject.root,
      "-o",
      path,
      "-l",
      String(level),
      "--threads",
      threads
    ])
    const others: Array<Packing["others"][number]> = []
    for (const block of ["128K", "1M"]) {
      others.push({ block, made: yield* squashfs(subject, caller, work, strengths[level], block) })
    }
    made.push({ level, strength: strengths[level], own, others })
  }
  return made
})
