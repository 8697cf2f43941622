/** What reading, packing and stacking layers come to, for the report. */
import type { Reading, Readings } from "./Layers.ts"
import type { Many } from "./ManyLayers.ts"
import type { Packing } from "./Packing.ts"
import type { Work } from "./Reader.ts"
import { fixed, type Goal, megabytes, table } from "./Report.ts"
import { ratio } from "./Statistics.ts"

/** How many times as fast as the other: less time is faster. */
const speed = (reading: Reading, other: Reading, work: Work): number =>
  other.work[work].time.median / reading.work[work].time.median

const words = {
  sequential: "sequential read",
  random: "random 4 KiB read",
  walk: "metadata walk",
  cold: "first start of a program",
  warm: "later starts of a program"
} as const

/** Starts of a program from a layer, in times of what they take in the unpacked tree. */
const largestStart = 1.3

export const layerGoals = (readings: Readings | undefined): ReadonlyArray<Goal> => {
  const [own, ...others] = readings?.layers ?? []
  if (own === undefined || readings === undefined) return []
  const times = ratio(own.work.warm.time, readings.unpacked).median
  return [
    {
      what: "later starts of a program in a mounted layer against the unpacked tree",
      figure: `${fixed(times, 2)} times`,
      goal: `at most ${largestStart}`,
      met: times <= largestStart
    },
    ...others.flatMap((other) => {
      const more = `${fixed((other.size / own.size - 1) * 100, 0)} % larger`
      return (["sequential", "random", "walk", "cold"] as const).map((work): Goal => ({
        what: `${words[work]} against ${other.name.replace("blocks of ", "")} (${more})`,
        figure: `${fixed(speed(own, other, work), 2)} times as fast`,
        goal: "at least 1",
        met: speed(own, other, work) >= 1
      }))
    })
  ]
}

export const layerTable = ({ layers }: Readings): string =>
  table(
    [
      "file system",
      "size, MB",
      "sequential, MB/s",
      "random 4 KiB, µs each",
      "walk, µs per entry",
      "first start, ms",
      "later starts, ms",
      "peak memory, MiB"
    ],
    1,
    layers.map(({ name, peak, size, work: { cold, random, sequential, walk, warm } }) => [
      name,
      megabytes(size),
      fixed(sequential.amount / 1e3 / sequential.time.median, 0),
      fixed((random.time.median * 1e3) / random.amount, 0),
      fixed((walk.time.median * 1e3) / walk.amount, 0),
      fixed(cold.time.median),
      fixed(warm.time.median),
      fixed(peak / 1024, 0)
    ])
  )

/** How much longer than squashfs packing may take. */
const largestTime = 1

/** How much larger than squashfs with its usual blocks an image may be: blocks are as large as quick starts allow. */
const largestSize = 1.05

export const packingGoals = (packings: ReadonlyArray<Packing>): ReadonlyArray<Goal> =>
  packings.flatMap(({ level, others, own, strength }) =>
    others.map(({ block, made }): Goal => {
      const [size, longer] = [own.size / made.size, own.milliseconds / made.milliseconds]
      // Levels above the default are for who wants small files and can wait.
      const hasGoal = block === "128K" && level <= 6
      return {
        what: `level ${level} against squashfs, zstd ${strength}, blocks of ${block}`,
        figure: `${fixed(size, 2)} times as large in ${fixed(longer, 2)} times the time`,
        goal: hasGoal ? `at most ${largestSize}, at most ${largestTime}` : "none",
        met: hasGoal ? size <= largestSize && longer <= largestTime : undefined
      }
    })
  )

export const packingTable = (packings: ReadonlyArray<Packing>): string =>
  table(
    ["packer", "size, MB", "time, s"],
    1,
    packings.flatMap(({ level, others, own, strength }) => [
      [`level ${level}, zstd ${strength}`, megabytes(own.size), fixed(own.milliseconds / 1000)],
      ...others.map(({ block, made }) => [
        `squashfs, zstd ${strength}, blocks of ${block}`,
        megabytes(made.size),
        fixed(made.milliseconds / 1000)
      ])
    ])
  )

const largestStack = 1.5
/** Of the driver, in KiB: idle with one layer, and for each further one. */
const [largestIdle, largestFurther] = [2 * 1024, 2 * 1024]

const furtherShare = ({ driver, layers }: Many): number => (driver.many - driver.one) / (layers - 1)

export const manyGoals = (many: Many): ReadonlyArray<Goal> => {
  const times = ratio(many.start.many, many.start.one).median
  return [
    {
      what: `start with ${many.layers} layers against one, medians`,
      figure: `${fixed(times, 2)} times`,
      goal: `at most ${largestStack}`,
      met: times <= largestStack
    },
    {
      what: "idle driver, PSS",
      figure: `${fixed(many.driver.one / 1024)} MiB`,
      goal: `at most ${largestIdle / 1024} MiB`,
      met: many.driver.one <= largestIdle
    },
    {
      what: "each further layer in the driver, PSS",
      figure: `${fixed(furtherShare(many) / 1024, 2)} MiB`,
      goal: `at most ${largestFurther / 1024} MiB`,
      met: furtherShare(many) <= largestFurther
    }
  ]
}

export const manyTable = ({ driver, layers, start }: Many): string =>
  table(["layers", "start, median ms", "min ms", "driver, PSS, MiB"], 1, [
    ["1", fixed(start.one.median), fixed(start.one.minimum), fixed(driver.one / 1024)],
    [String(layers), fixed(start.many.median), fixed(start.many.minimum), fixed(driver.many / 1024)]
  ])
