/**
 * `npm run bench -- apps` is the bench of real programs, in `apps/main.ts`.
 *
 * `npm run bench [-- --quick] [--previous IMAGE]`: measures starts, memory and layers, all in one run, and prints how they
 * compare with floors measured beside them, and with an image of Debian of an earlier version. A full run writes `docs/bench.md` and `docs/bench.svg`; a quick one, which says less,
 * writes them to `build/bench`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { apps } from "./apps/main.ts"
import { type Caller, callers } from "./Caller.ts"
import { withOwnFuse } from "./Fuse.ts"
import { missing, readings } from "./Layers.ts"
import { facts, load } from "./Machine.ts"
import { manyLayers } from "./ManyLayers.ts"
import { memory } from "./Memory.ts"
import { type Level, packings } from "./Packing.ts"
import { phases } from "./Phases.ts"
import { picture } from "./Picture.ts"
import { allow, calls } from "./Portal.ts"
import { formerly, previousPath, previousSubject } from "./Previous.ts"
import { report, type Results, summary } from "./Report.ts"
import { first, joined, warm } from "./Starts.ts"
import { prepare, project, type Subject, unpackedBytes } from "./Subject.ts"

const quick = process.argv.includes("--quick")
const rounds = quick
  ? { warm: 5, joined: 3, phases: 5, first: 3, layers: 1, many: 5, calls: 20, bytes: 2 ** 26, transfers: 5 }
  : { warm: 40, joined: 20, phases: 40, first: 20, layers: 5, many: 20, calls: 200, bytes: 2 ** 30, transfers: 5 }
const levels: ReadonlyArray<Level> = quick ? [6] : [5, 6, 7]

const step = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.andThen(Console.error(`bench: ${what}`), effect)

const measure = Effect.fnUntraced(function*(subject: Subject, previous: Subject | undefined, caller: Caller) {
  const warmStarts = yield* step(`warm starts, ${caller.name}`, warm(subject, previous, caller, rounds.warm))
  const others = yield* step(`joined starts, ${caller.name}`, Effect.result(joined(subject, caller, rounds.joined)))
  return {
    caller: caller.name,
    starts: [...warmStarts, ...(others._tag === "Success" ? others.success : [])],
    notes: others._tag === "Success" ? [] : [`Joined start as ${caller.name} failed: ${others.failure.message}`],
    first: yield* step(`first starts, ${caller.name}`, first(subject, previous, caller, rounds.first)),
    phases: yield* step(`phases, ${caller.name}`, phases(subject, caller, rounds.phases)),
    memory: yield* step(`memory, ${caller.name}`, memory(subject, caller))
  }
})

const main = Effect.gen(function*() {
  const before = load()
  const fs = yield* FileSystem.FileSystem
  const work = yield* fs.makeTempDirectoryScoped({ prefix: "flatimage-bench-" })
  chmodSync(work, 0o755)
  const { callers: all, notes } = yield* callers(work)
  const [own] = all
  if (own === undefined) return yield* Console.error(notes.join("\n"))
  const subject = yield* step("build the image", prepare(work))
  const path = previousPath(process.argv)
  const previous = path === undefined ? undefined : previousSubject(subject, path, work)
  const measured = yield* Effect.forEach(all, (caller) => measure(subject, previous, caller))
  const reason = yield* missing(own)
  const layers = reason === undefined ? yield* step("layers", readings(subject, own, work, rounds.layers)) : undefined
  const packed = reason === undefined ? yield* step("packing", packings(subject, own, work, levels)) : []
  const many = yield* step("many layers", manyLayers(subject, own, work, rounds.many))
  const subjects: ReadonlyArray<readonly [Subject, Caller]> = previous === undefined
    ? [[subject, own]]
    : [[subject, own], [previous, formerly(own)]]
  yield* Effect.forEach(subjects, ([each, caller]) => allow(each, caller, "allow"))
  const portal = yield* Effect.forEach(all, (caller) =>
    step(
      `calls across the wall, ${caller.name}`,
      Effect.gen(function*() {
        const made = yield* calls(subject, caller, rounds)
        const before = previous === undefined ? undefined : yield* calls(previous, formerly(caller), rounds)
        return { ...made, caller: caller.name, before }
      })
    ))
  yield* Effect.forEach(subjects, ([each, caller]) => allow(each, caller, "clear"))
  const results: Results = {
    subject,
    portal,
    measured,
    layers,
    packings: packed,
    many,
    notes: [
      ...notes,
      ...measured.flatMap((part) => part.notes),
      ...(reason === undefined ? [] : [`Layers are not compared: ${reason}`])
    ],
    unpacked: unpackedBytes(own),
    facts: yield* facts(subject, own, [before, load()])
  }
  const directory = quick ? `${project}/build/bench` : `${project}/docs`
  mkdirSync(directory, { recursive: true })
  writeFileSync(`${directory}/bench.md`, report(results))
  writeFileSync(`${directory}/bench.svg`, picture(results))
  yield* Console.log(summary(results))
  yield* Console.log(`written: ${directory}/bench.md and bench.svg`)
}).pipe(Effect.scoped)

const inside = withOwnFuse()
if (inside === undefined) {
  NodeRuntime.runMain((process.argv[2] === "apps" ? apps : main).pipe(Effect.provide(NodeServices.layer)))
} else process.exitCode = inside
