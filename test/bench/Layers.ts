import * as Effect from "effect/Effect"
import { mkdirSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { as, type Caller, isolated } from "./Caller.ts"
import { driver } from "./Driver.ts"
import { output, succeeds, timed } from "./Processes.ts"
import type { Outcome, Task, Work } from "./Reader.ts"
import { summarize, type Summary } from "./Statistics.ts"
import { project, type Subject } from "./Subject.ts"

/** A file system with the same tree in it. */
interface Candidate {
  readonly name: string
  readonly size: number
  readonly argv: (mountpoint: string) => NonNullable<Task["argv"]>
}

/** What a candidate did: per kind of work the time in milliseconds and how much it was. */
export interface Reading {
  readonly name: string
  /** Size of the image in bytes. */
  readonly size: number
  readonly work: Readonly<Record<Work, { readonly time: Summary; readonly amount: number }>>
  /** Most memory of the driver over all work, in KiB. */
  readonly peak: number
}

const works: ReadonlyArray<Work> = ["sequential", "random", "walk", "cold", "warm"]
const reader = fileURLToPath(new URL("Reader.ts", import.meta.url))

/** Squashfs images of the tree, of its usual block size and of its largest, which compresses best. */
const squash = Effect.fnUntraced(function*(subject: Subject, caller: Caller, work: string, block: string) {
  const path = `${work}/${block}.squashfs`
  yield* timed(as(caller, [
    "mksquashfs",
    subject.root,
    path,
    "-comp",
    "zstd",
    "-Xcompression-level",
    "19",
    "-b",
    block,
    "-no-progress",
    "-quiet",
    "-noappend"
  ]))
  return {
    name: `squashfuse_ll, blocks of ${block}`,
    size: statSync(path).size,
    argv: (mountpoint) => ["squashfuse_ll", "-f", path, mountpoint]
  } satisfies Candidate
})

/** The driver as an image runs it: the same cache and number of threads. */
const ours = (subject: Subject, program: string): Candidate => ({
  name: "fim dwarfs",
  size: subject.layer.size,
  argv: (mountpoint) => [
    program,
    subject.image,
    mountpoint,
    "-o",
    `offset=${subject.layer.offset},imagesize=${subject.layer.size},cachesize=256m,workers=2`
  ]
})

const read = Effect.fnUntraced(function*(caller: Caller, task: Task) {
  const words = isolated("--mount-proc", process.execPath, reader, JSON.stringify(task))
  const printed = yield* output(as(caller, words))
  return JSON.parse(printed) as Outcome
})

/** Why this part cannot be measured here, if it cannot. */
export const missing = Effect.fnUntraced(function*(caller: Caller) {
  const there = yield* succeeds(as(caller, ["sh", "-c", "command -v squashfuse_ll && command -v mksquashfs"]))
  return there ? undefined : "squashfuse is not installed: apt-get install --yes squashfuse squashfs-tools"
})

/** What was read, and how long the same program takes in the unpacked tree, where there is no driver. */
export interface Readings {
  /** The image's own driver first. */
  readonly layers: ReadonlyArray<Reading>
  readonly unpacked: Summary
}

/** Reads the image's layer and squashfs images of the same tree, each time freshly mounted, in turn. */
export const readings = Effect.fn("Layers.readings")(function*(
  subject: Subject,
  caller: Caller,
  work: string,
  rounds: number
) {
  const mountpoint = `${work}/mountpoint`
  mkdirSync(mountpoint)
  const candidates = [
    ours(subject, driver(project)),
    yield* squash(subject, caller, work, "128K"),
    yield* squash(subject, caller, work, "1M")
  ]
  const outcomes = new Map<string, Array<Outcome>>()
  const of = (candidate: Candidate, kind: Work) => outcomes.get(`${candidate.name} ${kind}`) ?? []
  const unpacked: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    for (const kind of works) {
      for (const candidate of candidates) {
        const outcome = yield* read(caller, { argv: candidate.argv(mountpoint), mountpoint, work: kind })
        outcomes.set(`${candidate.name} ${kind}`, [...of(candidate, kind), outcome])
      }
    }
    unpacked.push((yield* read(caller, { argv: undefined, mountpoint: subject.root, work: "warm" })).milliseconds)
  }
  const done = (candidate: Candidate, kind: Work) => ({
    time: summarize(of(candidate, kind).map(({ milliseconds }) => milliseconds)),
    amount: of(candidate, kind)[0]?.amount ?? 0
  })
  const layers = candidates.map((candidate): Reading => ({
    name: candidate.name,
    size: candidate.size,
    work: {
      sequential: done(candidate, "sequential"),
      random: done(candidate, "random"),
      walk: done(candidate, "walk"),
      cold: done(candidate, "cold"),
      warm: done(candidate, "warm")
    },
    peak: Math.max(...works.flatMap((kind) => of(candidate, kind).map(({ peak }) => peak)))
  }))
  return { layers, unpacked: summarize(unpacked) } satisfies Readings
})
