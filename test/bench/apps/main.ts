/**
 * `npm run bench -- apps [--quick] [--only NAME,NAME] [--packing NAME=WORDS] [--image NAME=PATH]`: how long real programs take to start, unpacked,
 * from squashfs and from images. Writes `docs/bench-apps.md`; a quick run, or one that leaves something out, `build/bench/apps/apps.md`.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { chmodSync, globSync, mkdirSync, writeFileSync } from "node:fs"
import { BenchError } from "../BenchError.ts"
import { load } from "../Machine.ts"
import { type Command, output, succeeds, timed } from "../Processes.ts"
import { summarize } from "../Statistics.ts"
import { project } from "../Subject.ts"
import { directory, type Packing, prepare, type Prepared } from "./Prepared.ts"
import { type Program, programs } from "./Programs.ts"
import { type Measured, report, type Result } from "./Report.ts"
import { firstStarts, type Variant, variants } from "./Variants.ts"

const words = process.argv.slice(2)
const valuesOf = (name: string): ReadonlyArray<string> =>
  words.flatMap((word, index) => word === name && words[index + 1] !== undefined ? [words[index + 1] ?? ""] : [])

const quick = words.includes("--quick")
const rounds = quick ? 3 : Number(valuesOf("--rounds")[0] ?? "10")
const only = valuesOf("--only").flatMap((text) => text.split(","))
const packings = valuesOf("--packing").map((text): Packing => {
  const [name = "", rest = ""] = text.split("=")
  return { name, words: rest.split(" ").filter((word) => word !== "") }
})

const Took = Schema.fromJsonString(
  Schema.Struct({ wall: Schema.Finite, processor: Schema.Finite, peak: Schema.Finite })
)

const here = (argv: Command["argv"]): Command => ({
  argv,
  environment: { PATH: process.env["PATH"] ?? "" },
  directory: project
})

/** Compiles what takes the time. */
const measurer = Effect.gen(function*() {
  mkdirSync(directory, { recursive: true })
  const path = `${directory}/measure`
  yield* timed(here(["cc", "-O2", "-Wall", "-o", path, `${project}/test/bench/apps/measure.c`]))
  return path
})

/** With `watches` the memory of the driver is looked at, which takes time of its own. */
const take = Effect.fnUntraced(function*(measure: string, { command, driver }: Variant, watches: boolean) {
  const name = watches ? driver : ""
  const printed = yield* output({ ...command, argv: [measure, name, ...command.argv], directory: "/" })
  return yield* Schema.decodeUnknownEffect(Took)(printed.trim().split("\n").at(-1) ?? "")
})

/** All variants in turn, in an order that changes from round to round. The first round is only for the memory of drivers. */
const measureProgram = Effect.fn("apps.program")(
  function*(measure: string, prepared: Prepared, program: Program, work: string) {
    yield* Console.error(`bench: ${program.name}`)
    mkdirSync(work, { recursive: true })
    chmodSync(work, 0o700)
    for (const command of firstStarts(measure, prepared, program, work)) yield* timed({ ...command, directory: "/" })
    const [bwrap] = globSync(`${work}/global/app/*/bin/bwrap`)
    if (bwrap === undefined) return yield* new BenchError({ reason: "Failed", detail: "the image has no bubblewrap" })
    const all = variants(bwrap, prepared, program, work)
    const taken = new Map<string, Array<typeof Took.Type>>(all.map(({ name }) => [name, []]))
    const peaks = new Map<string, number>()
    for (let round = -1; round < rounds; round++) {
      for (let index = 0; index < all.length; index++) {
        const variant = all[(index + round + all.length) % all.length]
        if (variant === undefined) continue
        variant.reset()
        const took = yield* take(measure, variant, round < 0)
        if (round < 0) peaks.set(variant.name, took.peak)
        else taken.get(variant.name)?.push(took)
        yield* Effect.sleep("30 millis")
      }
    }
    const results = all.map(({ name }): Result => {
      const all = taken.get(name) ?? []
      return {
        name,
        wall: summarize(all.map(({ wall }) => wall)),
        processor: summarize(all.map(({ processor }) => processor)),
        peak: peaks.get(name) ?? 0
      }
    })
    return { program, prepared, results } satisfies Measured
  }
)

export const apps = Effect.gen(function*() {
  const before = load()
  const fs = yield* FileSystem.FileSystem
  const work = yield* fs.makeTempDirectoryScoped({ prefix: "flatimage-bench-apps-" })
  if (!(yield* succeeds(here(["sh", "-c", "command -v squashfuse_ll && command -v mksquashfs"])))) {
    return yield* new BenchError({
      reason: "Failed",
      detail: "squashfuse is not installed: apt-get install --yes squashfuse squashfs-tools"
    })
  }
  const measure = yield* measurer
  const chosen = programs.filter(({ name }) => only.length === 0 || only.some((part) => name.startsWith(part)))
  const trees = [...new Set(chosen.map(({ tree }) => tree))]
  const measured: Array<Measured> = []
  for (const tree of trees) {
    yield* Console.error(`bench: prepare ${tree.name}`)
    const prepared = yield* prepare(tree, packings)
    for (const program of chosen.filter((program) => program.tree === tree)) {
      measured.push(yield* measureProgram(measure, prepared, program, `${work}/${measured.length}`))
    }
  }
  const text = report(measured, { rounds, loads: [before, load()] })
  const isWhole = !quick && only.length === 0 && packings.length === 0
  const path = isWhole ? `${project}/docs/bench-apps.md` : `${directory}/apps.md`
  writeFileSync(path, text)
  yield* Console.log(text)
  yield* Console.log(`written: ${path}`)
}).pipe(Effect.scoped)
