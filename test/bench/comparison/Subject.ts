/** One way to start `true` from the system that is compared, and how its time is taken. */
import { rmSync } from "node:fs"
import type { Place } from "./Place.ts"

export interface Subject {
  readonly label: string
  readonly words: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  /** Its file, and what its starts leave for later ones; absent where something is installed before the first start. */
  readonly first?: { readonly file: string; readonly leaves: ReadonlyArray<string> }
  /** Nothing can be put in front of it. */
  readonly bare?: boolean
  /** What is downloaded, in bytes. */
  readonly size?: { readonly label: string; readonly bytes: number }
  /** Name and version, for the line above the table. */
  readonly version?: string
}

/** Milliseconds until a subject has ended. */
const timed = (place: Place, { bare, environment, words }: Subject, prefix: ReadonlyArray<string>): number => {
  const begin = process.hrtime.bigint()
  place.run(bare === true ? words : [...prefix, ...words], environment)
  return Number(process.hrtime.bigint() - begin) / 1e6
}

/** As after a download and a boot: nothing unpacked, and no page of the file in memory. */
const forget = (place: Place, { file, leaves }: NonNullable<Subject["first"]>): void => {
  for (const path of leaves) rmSync(path, { recursive: true, force: true })
  place.run(["sync", file])
  place.run(["dd", `if=${file}`, "iflag=nocache", "count=0", "status=none"])
}

export interface Times {
  readonly subject: Subject
  /** Milliseconds, sorted. */
  readonly warm: ReadonlyArray<number>
  readonly first: ReadonlyArray<number>
}

const ascending = (left: number, right: number) => left - right

/** Times of all subjects, taken in turn so that what else the machine does falls on all of them. */
export const measure = (
  place: Place,
  subjects: ReadonlyArray<Subject>,
  rounds: { readonly warm: number; readonly first: number },
  prefix: ReadonlyArray<string>
): ReadonlyArray<Times> => {
  const times = subjects.map((subject) => ({ subject, warm: Array<number>(), first: Array<number>() }))
  for (let round = 0; round < rounds.first; round++) {
    for (const { first, subject } of times) {
      if (subject.first === undefined) continue
      forget(place, subject.first)
      first.push(timed(place, subject, prefix))
    }
  }
  for (const { subject } of times) place.run(subject.words, subject.environment)
  for (let round = 0; round < rounds.warm; round++) {
    for (const { subject, warm } of times) warm.push(timed(place, subject, prefix))
  }
  return times.map(({ first, subject, warm }) => ({
    subject,
    warm: warm.toSorted(ascending),
    first: first.toSorted(ascending)
  }))
}
