import type { Readings } from "./Layers.ts"
import type { Facts } from "./Machine.ts"
import type { Many } from "./ManyLayers.ts"
import type { Held } from "./Memory.ts"
import type { Packing } from "./Packing.ts"
import type { Phase } from "./Phases.ts"
import type { Calls } from "./Portal.ts"
import { callGoals, callTable } from "./ReportCalls.ts"
import { layerGoals, layerTable, manyGoals, manyTable, packingGoals, packingTable } from "./ReportLayers.ts"
import type { Start } from "./Starts.ts"
import { ratio, type Summary } from "./Statistics.ts"
import type { Subject } from "./Subject.ts"

export interface Measured {
  readonly caller: string
  readonly starts: ReadonlyArray<Start>
  readonly first: { readonly own: Summary | undefined; readonly before: Summary | undefined }
  readonly phases: ReadonlyArray<Phase>
  readonly memory: ReadonlyArray<Held>
}

export interface Results {
  readonly subject: Subject
  readonly measured: ReadonlyArray<Measured>
  /** Absent when there was nothing to compare with. */
  readonly layers: Readings | undefined
  readonly packings: ReadonlyArray<Packing>
  readonly many: Many
  readonly portal: ReadonlyArray<Calls & { readonly caller: string; readonly before: Calls | undefined }>
  readonly notes: ReadonlyArray<string>
  readonly facts: Facts
  /** Bytes of what a first start unpacks. */
  readonly unpacked: number
}

export const fixed = (value: number, digits = 1): string => value.toFixed(digits)
export const megabytes = (bytes: number): string => fixed(bytes / 1e6)

/** A table of Markdown; all columns but the first `left` are numbers. */
export const table = (head: ReadonlyArray<string>, left: number, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map((_, index) => (index < left ? "---" : "---:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n")

const startOf = (measured: Measured, key: string): Start | undefined =>
  measured.starts.find((start) => start.key === key)

export interface Goal {
  readonly what: string
  readonly figure: string
  readonly goal: string
  /** Absent when it is shown for comparison only. */
  readonly met: boolean | undefined
}

/** A start against another of the same caller: at most so many times its time. */
const timesGoal = (measured: Measured, key: string, floor: string, most: number): ReadonlyArray<Goal> => {
  const [start, below] = [startOf(measured, key), startOf(measured, floor)]
  if (start === undefined || below === undefined) return []
  const times = ratio(start.ended, below.ended)
  return [{
    what: `${start.label.replaceAll("*", "")} as ${measured.caller} against ${below.label}, medians (minima)`,
    figure: `${fixed(times.median, 2)} (${fixed(times.minimum, 2)}) times`,
    goal: `at most ${most}`,
    met: times.median <= most
  }]
}

/** A first start against another one of the same caller. */
const firstGoal = (
  { caller, first }: Measured,
  floor: Summary | undefined,
  label: string,
  most: number
): ReadonlyArray<Goal> => {
  if (floor === undefined || first.own === undefined) return []
  const times = ratio(first.own, floor)
  return [{
    what: `first \`APP fim-exec true\` as ${caller} against ${label}, medians (minima)`,
    figure: `${fixed(times.median, 2)} (${fixed(times.minimum, 2)}) times`,
    goal: `at most ${most}`,
    met: times.median <= most
  }]
}

const boot = "fim boot"

const memoryGoals = ({ caller, memory }: Measured): ReadonlyArray<Goal> =>
  [
    { what: "an idle instance", processes: memory, most: 14 },
    { what: "its boot program", processes: memory.filter(({ name }) => name === boot), most: 6 }
  ].map(({ most, processes, what }) => {
    const share = processes.reduce((sum, held) => sum + held.share, 0) / 1024
    return {
      what: `${what} as ${caller}, PSS`,
      figure: processes.length === 0 ? "not found" : `${fixed(share)} MiB`,
      goal: `at most ${most} MiB`,
      met: processes.length > 0 && share <= most
    }
  })

const startGoals = (measured: Measured): ReadonlyArray<Goal> => [
  ...timesGoal(measured, "warm", "by-hand", 1.15),
  ...timesGoal(measured, "warm", "previous-warm", 0.75),
  ...timesGoal(measured, "version", "previous-version", 0.6),
  ...timesGoal(measured, "env", "previous-env", 0.6),
  ...timesGoal(measured, "set", "previous-set", 0.5),
  ...firstGoal(measured, startOf(measured, "warm")?.ended, "a warm one", 3),
  ...firstGoal(measured, measured.first.before, "that of before", 0.25),
  ...memoryGoals(measured)
]

const goals = (results: Results): ReadonlyArray<Goal> => [
  ...results.measured.flatMap(startGoals),
  {
    what: "image without layers",
    figure: `${megabytes(results.subject.overhead)} MB`,
    goal: "at most 13 MB",
    met: results.subject.overhead <= 13e6
  },
  {
    what: "tools, unpacked",
    figure: `${megabytes(results.unpacked)} MB`,
    goal: "at most 20 MB",
    met: results.unpacked <= 20e6
  },
  ...results.portal.flatMap(callGoals),
  ...layerGoals(results.layers),
  ...packingGoals(results.packings),
  ...manyGoals(results.many)
]

const goalTable = (results: Results): string =>
  table(
    ["what", "figure", "goal", "met"],
    1,
    goals(results).map((
      { figure, goal, met, what }
    ) => [what, figure, goal, met === undefined ? "" : met ? "yes" : "**no**"])
  )

const startTable = (measured: Measured): string => {
  const floor = startOf(measured, "by-hand")
  return table(
    ["start", "median ms", "min ms", "median / (b)", "min / (b)", "output released, median ms"],
    1,
    measured.starts.map(({ ended, label, released }) => [
      label,
      fixed(ended.median),
      fixed(ended.minimum),
      ...(floor === undefined ? ["", ""] : Object.values(ratio(ended, floor.ended)).map((value) => fixed(value, 2))),
      fixed(released.median)
    ])
  )
}

const phaseTable = (all: ReadonlyArray<Measured>): string =>
  table(
    ["phase", "what happens", ...all.map(({ caller }) => `${caller}, ms`)],
    2,
    (all[0]?.phases ?? []).map(({ name, what }) =>
      [name, what].concat(
        all.map(({ phases }) => fixed(phases.find((phase) => phase.name === name)?.duration ?? Number.NaN))
      )
    )
  )

const memoryTable = (memory: ReadonlyArray<Held>): string => {
  const total = (field: "share" | "own") => memory.reduce((sum, held) => sum + held[field], 0)
  return table(["process", "PSS, MiB", "private, MiB"], 1, [
    ...memory.map(({ name, own, share }) => [`\`${name}\``, fixed(share / 1024), fixed(own / 1024)]),
    ["**all**", `**${fixed(total("share") / 1024)}**`, `**${fixed(total("own") / 1024)}**`]
  ])
}

/** What a terminal shows at the end. */
export const summary = (results: Results): string =>
  [
    ...results.measured.flatMap((measured) => [`\nStarts as ${measured.caller}:`, startTable(measured)]),
    "\nGoals:",
    goalTable(results),
    ...results.notes,
    ""
  ].join("\n")

const seconds = (summary: Summary): string =>
  `${fixed(summary.median / 1000, 2)} s (median of ${summary.count}, minimum ${fixed(summary.minimum / 1000, 2)} s)`

const firstSentence = ({ caller, first }: Measured): string =>
  first.own === undefined
    ? ""
    : `First start as ${caller}, which unpacks the tools: ${seconds(first.own)}${
      first.before === undefined ? "" : `; before: ${seconds(first.before)}`
    }.`

/** The page `docs/bench.md`. */
export const report = (results: Results): string =>
  `# Bench

Written by \`npm run bench\`; do not edit. All figures are of one run on one machine, measured in turn with their floors,
so ratios mean more than times. The machine does other work too: the median says what to expect, the minimum is least
disturbed by it.

${table(["", ""], 2, results.facts)}

## Goals

${goalTable(results)}

${results.notes.map((note) => `${note}\n\n`).join("")}![Phases of a warm start, and how starts compare](bench.svg)

## Starts

Time until the program that was started has ended, with \`true\` as the guest's program. Floor (a) is the image's
bubblewrap with \`--bind ROOT / --proc /proc --dev /dev\` on the unpacked system, alone and with the namespaces of an image.
Floor (b) is \`test/bench/by-hand.sh\`: \`unshare\`, one DwarFS mount, and that bubblewrap on the kernel's overlay, with the
same driver and namespaces. "Before" is an image of an earlier version, which \`--previous\` names. "Output released" is when nobody holds the output any more, which pipes and \`$(…)\` wait for.

${
    results.measured
      .map((measured) =>
        `As ${measured.caller} (${startOf(measured, "warm")?.ended.count} rounds):\n\n${startTable(measured)}\n\n${
          firstSentence(measured)
        }`
      )
      .join("\n\n")
  }

## Phases of a warm start

Medians, from the lines that \`FIM_DEBUG=1\` prints; writing them costs a little. The launcher's time is what is left when
the boot program's own is taken away. ${"`docs/boot.md`"} says what the phases do.

${phaseTable(results.measured)}

## Memory of an idle instance

Of \`fim-exec sleep\`, after seven seconds, when the driver has let go of what it decompressed. PSS divides shared pages among those who share them.

${results.measured.map((measured) => `As ${measured.caller}:\n\n${memoryTable(measured.memory)}`).join("\n\n")}

An image without layers has ${megabytes(results.subject.overhead)} MB; this one has ${
    megabytes(results.subject.size)
  } MB with its layer of ${megabytes(results.subject.layer.size)} MB.

## Calls across the wall

Taken by bash around each call, in turn with the same command on the caller's own side: in the guest for \`fim_portal\`, which
runs it on the host, and on the host for \`fim-instance exec\`, the whole image called, beside one that runs. Bytes go through
\`dd\` with blocks of 64 KiB, \`cat\` and what is between them; speeds are medians.

${callTable(results.portal)}

## A mounted layer

The tree of the image, each time freshly mounted, read by one thread; the images themselves are in the page cache. Squashfs
is packed with zstd 19. Random reads are 2000 single pages all over the tree; the walk lists every directory and looks at
every entry. The program is Perl loading 100 modules: its first start after the mount, and later ones. In the unpacked tree
a start takes ${
    results.layers === undefined ? "a time that was not measured" : `${fixed(results.layers.unpacked.median)} ms`
  }.

${results.layers === undefined ? "Not measured." : layerTable(results.layers)}

## Packing

The same tree by ${"`mkdwarfs`"} and by ${"`mksquashfs -comp zstd`"}, with as many threads as there are cores. Levels with the same
strength of zstd stand together.

${results.packings.length === 0 ? "Not measured." : packingTable(results.packings)}

## Many layers

Starts with the image's layer alone and with ${
    results.many.layers - 1
  } small ones on top of it, in turn, and the memory of the driver, which is
one process for all of them.

${manyTable(results.many)}
`
