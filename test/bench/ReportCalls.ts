/** What calls across the wall come to, for the report. */
import type { Calls } from "./Portal.ts"
import { fixed, type Goal, table } from "./Report.ts"

type Made = Calls & { readonly caller: string }

/** Above a program that is started directly, in milliseconds. */
const largestCost = 3
/** Of a plain pipe. */
const smallestSpeed = 0.8

export const callGoals = (made: Made): ReadonlyArray<Goal> => [
  ...([["fim_portal true", made.outward], ["fim-instance exec 0 true", made.inward]] as const).map(
    ([what, summary]) => {
      const cost = summary.median - made.direct.median
      return {
        what: `\`${what}\` as ${made.caller} above \`true\`, medians`,
        figure: `${fixed(cost, 2)} ms`,
        goal: `at most ${largestCost} ms`,
        met: cost <= largestCost
      }
    }
  ),
  ...(["outwardTo", "outwardFrom", "inwardTo", "inwardFrom"] as const).map((way) => {
    const share = made.speed[way] / made.speed.plain
    return {
      what: `${ways[way]} as ${made.caller} against a plain pipe`,
      figure: `${fixed(share, 2)} times as fast`,
      goal: `at least ${smallestSpeed}`,
      met: share >= smallestSpeed
    }
  })
]

const ways = {
  plain: "plain pipe",
  outwardTo: "from the guest to a program of the host",
  outwardFrom: "from a program of the host to the guest",
  inwardTo: "to a program in an instance",
  inwardFrom: "from a program in an instance"
} as const

export const callTable = (all: ReadonlyArray<Made>): string =>
  [
    table(["call", ...all.flatMap(({ caller }) => [`${caller}, median ms`, "min ms"])], 1, [
      ["`true` itself", ...all.flatMap(({ direct }) => [fixed(direct.median, 2), fixed(direct.minimum, 2)])],
      ["`fim_portal true`", ...all.flatMap(({ outward }) => [fixed(outward.median, 2), fixed(outward.minimum, 2)])],
      [
        "`APP fim-instance exec 0 true`",
        ...all.flatMap(({ inward }) => [fixed(inward.median, 2), fixed(inward.minimum, 2)])
      ],
      [
        "first byte, directly",
        ...all.flatMap(({ firstByte: { direct } }) => [fixed(direct.median, 2), fixed(direct.minimum, 2)])
      ],
      [
        "first byte, `fim_portal`",
        ...all.flatMap(({ firstByte: { outward } }) => [fixed(outward.median, 2), fixed(outward.minimum, 2)])
      ]
    ]),
    table(
      ["bytes", ...all.map(({ caller }) => `${caller}, MB/s`)],
      1,
      (["plain", "outwardTo", "outwardFrom", "inwardTo", "inwardFrom"] as const).map((way) =>
        [ways[way] as string].concat(all.map(({ speed }) => fixed(speed[way], 0)))
      )
    )
  ].join("\n\n")
