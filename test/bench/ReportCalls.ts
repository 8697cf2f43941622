/** What calls across the wall come to, for the report. */
import type { Calls, Pair } from "./Portal.ts"
import { fixed, type Goal, table } from "./Report.ts"

type Made = Calls & { readonly caller: string; readonly before: Calls | undefined }

/** Above a program that is started directly, in milliseconds. */
const largestCost = 3
/** Of a plain pipe. */
const smallestSpeed = 0.8
/** Of the earlier image. */
const smallestSpeedBefore = 0.9

const sides = [["outward", "fim_portal", "in the guest"], ["inward", "APP fim-instance exec 0", "on the host"]] as const

const transfers = [
  ["outward", "to", "from the guest to a program of the host"],
  ["outward", "from", "from a program of the host to the guest"],
  ["inward", "to", "to a program in an instance"],
  ["inward", "from", "from a program in an instance"]
] as const

/** How much of the speed of a plain pipe is left: less time is faster. */
const shareOf = ({ across, direct }: Pair): number => direct.median / across.median

export const callGoals = (made: Made): ReadonlyArray<Goal> => [
  ...sides.map(([side, command]) => {
    const { across, direct } = made[side].call
    const cost = across.median - direct.median
    return {
      what: `\`${command} true\` as ${made.caller} above \`true\`, medians (minima)`,
      figure: `${fixed(cost, 2)} (${fixed(across.minimum - direct.minimum, 2)}) ms`,
      goal: `at most ${largestCost} ms`,
      met: cost <= largestCost
    }
  }),
  ...transfers.map(([side, way, what]) => {
    const share = shareOf(made[side][way])
    return {
      what: `${
        fixed(made.bytes / 2 ** 30, made.bytes < 2 ** 30 ? 2 : 0)
      } GiB ${what} as ${made.caller} against a plain pipe`,
      figure: `${fixed(share, 2)} times as fast`,
      goal: `at least ${smallestSpeed}`,
      met: share >= smallestSpeed
    }
  }),
  ...transfers.flatMap(([side, way, what]): ReadonlyArray<Goal> => {
    if (made.before === undefined) return []
    const speed = made.before[side][way].across.median / made[side][way].across.median
    return [{
      what: `bytes ${what} as ${made.caller} against before`,
      figure: `${fixed(speed, 2)} times as fast`,
      goal: `at least ${smallestSpeedBefore}`,
      met: speed >= smallestSpeedBefore
    }]
  })
]

type Way = keyof Pair

/** A row for each way to do it, a column for each caller's median and minimum. */
const timeRows = (
  all: ReadonlyArray<Made>,
  [side, command, where]: (typeof sides)[number],
  what: "call" | "firstByte"
) =>
  (["direct", "across"] as const).map((way: Way) => {
    const label = `${what === "call" ? "`true`" : "first byte"}, ${way === "direct" ? where : `\`${command}\``}`
    return [label].concat(all.flatMap((made) => {
      const { median, minimum } = made[side][what][way]
      return [fixed(median, 2), fixed(minimum, 2)]
    }))
  })

const speedRow = (all: ReadonlyArray<Made>, [side, way, what]: (typeof transfers)[number]): ReadonlyArray<string> => {
  const speed = (made: Made, pair: Way) => fixed(made.bytes / made[side][way][pair].median / 1e3, 0)
  return [what as string].concat(all.flatMap((made) => [speed(made, "across"), speed(made, "direct")]))
}

export const callTable = (all: ReadonlyArray<Made>): string =>
  [
    table(
      ["call", ...all.flatMap(({ caller }) => [`${caller}, median ms`, "min ms"])],
      1,
      sides.flatMap((side) => (["call", "firstByte"] as const).flatMap((what) => timeRows(all, side, what)))
    ),
    table(
      ["bytes", ...all.flatMap(({ caller }) => [`${caller}, MB/s`, "plain pipe, MB/s"])],
      1,
      transfers.map((transfer) => speedRow(all, transfer))
    )
  ].join("\n\n")
