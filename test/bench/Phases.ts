import * as Effect from "effect/Effect"
import { as, type Caller } from "./Caller.ts"
import { type Timed, timed } from "./Processes.ts"
import { summarize } from "./Statistics.ts"
import type { Subject } from "./Subject.ts"

/** A part of a start: when it begins and how long it takes, in milliseconds, medians of all runs. */
export interface Phase {
  readonly name: string
  readonly what: string
  readonly begin: number
  readonly duration: number
}

/** What happens until the next line of the log, by the line that opens it. */
const known: ReadonlyArray<readonly [line: string, name: string, what: string]> = [
  ["Phase: relocate", "relocate", "where the image and its directories are"],
  ["Phase: janitor", "janitor", "greet the janitor, which the launcher has started"],
  ["Phase: layers", "layers", "settings, data directory, list of layers"],
  ["Phase: mount", "mount", "instance, namespaces, layers and overlay, made by the janitor"],
  ["Overlay type", "portal", "FIFOs"],
  ["Phase: sandbox", "settings", "identity, permissions, command line"],
  ["bwrap ", "sandbox", "bubblewrap and the program"],
  ["Phase: end", "end", "take down, exit"]
]

interface Mark {
  readonly name: string
  readonly what: string
  readonly at: number
}

/** Where each phase of one run begins, since the process was started. */
const marksOf = (run: Timed): ReadonlyArray<Mark> => {
  const seen = run.lines.flatMap(({ at, text }) => {
    const match = /^D::([\d.]+)::(.*)$/.exec(text)
    return match === null ? [] : [{ at, elapsed: Number(match[1]), text: match[2] ?? "" }]
  })
  // The boot program counts from its own start. What a line took to reach us is least for the quickest of them.
  const launched = Math.min(...seen.map(({ at, elapsed }) => at - elapsed))
  const phases = known.flatMap(([line, name, what]) => {
    const found = seen.find(({ text }) => text.startsWith(line))
    return found === undefined ? [] : [{ name, what, at: launched + found.elapsed }]
  })
  return [
    { name: "launcher", what: "find and check what is unpacked, start the janitor", at: 0 },
    { name: "runtime", what: "load the boot program", at: launched },
    ...phases,
    { name: "after", what: "not waited for, unless by a pipe: the kernel ends the namespaces", at: run.ended },
    { name: "", what: "", at: Math.max(run.ended, run.released) }
  ]
}

/** The phases of a warm start, as the boot program tells them with `FIM_DEBUG=1`. */
export const phases = Effect.fn("Phases.phases")(function*(subject: Subject, caller: Caller, rounds: number) {
  const runs: Array<ReadonlyArray<Mark>> = []
  for (let round = 0; round < rounds; round++) {
    runs.push(marksOf(yield* timed(as(caller, [subject.image, "fim-exec", "true"], { FIM_DEBUG: "1" }))))
    yield* Effect.sleep("30 millis")
  }
  const [pattern = []] = runs
  let begin = 0
  return pattern.slice(0, -1).map(({ name, what }, index): Phase => {
    const durations = runs.map((marks) => (marks[index + 1]?.at ?? Number.NaN) - (marks[index]?.at ?? Number.NaN))
    const phase = { name, what, begin, duration: summarize(durations).median }
    begin += phase.duration
    return phase
  })
})
