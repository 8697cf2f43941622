/** What the bench of real programs writes. */
import { cpus, release, totalmem } from "node:os"
import type { Summary } from "../Statistics.ts"
import type { Prepared } from "./Prepared.ts"
import type { Program } from "./Programs.ts"

/** One variant of a program: times in milliseconds, and the most memory of its driver in KiB, 0 where there is none. */
export interface Result {
  readonly name: string
  readonly wall: Summary
  readonly processor: Summary
  readonly peak: number
}

export interface Measured {
  readonly program: Program
  readonly prepared: Prepared
  readonly results: ReadonlyArray<Result>
}

export interface Conditions {
  readonly rounds: number
  readonly loads: readonly [number, number]
}

const decimals = (value: number, count: number) => value.toFixed(count)
const time = ({ median, minimum }: Summary) => `${decimals(median, 0)} (${decimals(minimum, 0)})`

const programTable = ({ program, results }: Measured): string => {
  const floor = results.find(({ name }) => name.startsWith("(b)"))
  const rows = results.map(({ name, peak, processor, wall }) => {
    const against = floor === undefined
      ? ""
      : `${decimals(wall.median / floor.wall.median, 2)} (${decimals(wall.minimum / floor.wall.minimum, 2)})`
    const memory = peak === 0 ? "" : decimals(peak / 1024, 0)
    return `| ${name} | ${time(wall)} | ${against} | ${time(processor)} | ${memory} |`
  })
  return [
    `### ${program.name}`,
    "",
    "| | start, ms | against (b) | processor, ms | peak of the driver, MiB |",
    "| --- | ---: | ---: | ---: | ---: |",
    ...rows
  ].join("\n")
}

const sizeTable = (trees: ReadonlyArray<Prepared>): string => {
  const rows = trees.flatMap(({ images, squashfs, tree }) =>
    [squashfs, ...images].map(({ milliseconds, name, size }) => {
      const took = milliseconds === undefined ? "" : decimals(milliseconds / 1000, 1)
      return `| ${tree.name} | ${name} | ${decimals(size / 1e6, 1)} | ${decimals(size / squashfs.size, 3)} | ${took} |`
    })
  )
  return [
    "| tree | packed | MB | against squashfs | packing, s |",
    "| --- | --- | ---: | ---: | ---: |",
    ...rows
  ].join("\n")
}

/** The page. */
export const report = (measured: ReadonlyArray<Measured>, { loads, rounds }: Conditions): string => {
  const trees = [...new Set(measured.map(({ prepared }) => prepared))]
  return `# Starts of real programs

Written by \`npm run bench -- apps\`; do not edit. Each program is started in turn from the same tree of Debian, ${rounds} rounds,
medians with minima in parentheses; files are in the page cache, and nothing is mounted before. (a) is the unpacked tree in the image's
bubblewrap with the kernel's overlay; (b) the same on squashfs (zstd 15, blocks of 128 KiB), mounted by \`squashfuse_ll\` and unmounted
each time; (c) an image whose tools are unpacked: with a new data directory ("new"), with one that knows what the last
start has read, and with that and a filled hot cache ("hot"). Processor time is that of all processes, drivers included.

${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} cores, ${
    decimals(totalmem() / 2 ** 30, 0)
  } GiB, kernel ${release()}; load at start and end ${loads.map((value) => decimals(value, 1)).join(" and ")}; ${
    new Date().toISOString().slice(0, 10)
  }.

${measured.map(programTable).join("\n\n")}

## Sizes

${sizeTable(trees)}
`
}
