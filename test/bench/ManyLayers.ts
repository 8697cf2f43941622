import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { BenchError } from "./BenchError.ts"
import { as, type Caller } from "./Caller.ts"
import { memoryOf } from "./Memory.ts"
import { timed } from "./Processes.ts"
import { idle, inTurn } from "./Starts.ts"
import type { Summary } from "./Statistics.ts"
import { project, type Subject } from "./Subject.ts"

/** Starts with one layer and with many, in milliseconds, and the driver's share of memory, in KiB. */
export interface Many {
  readonly layers: number
  readonly start: { readonly one: Summary; readonly many: Summary }
  readonly driver: { readonly one: number; readonly many: number }
}

const layers = 40

/** Small layers, each with a program's worth of names of its own; the answer is for `FIM_LAYERS`. */
const stack = Effect.fnUntraced(function*(caller: Caller, work: string) {
  const paths: Array<string> = []
  for (let number = 1; number < layers; number++) {
    const [tree, path] = [`${work}/stack/${number}`, `${work}/stack/${number}.layer`]
    mkdirSync(`${tree}/opt/part-${number}`, { recursive: true })
    for (let file = 0; file < 20; file++) {
      writeFileSync(`${tree}/opt/part-${number}/file-${file}`, `file ${file} of part ${number}\n`.repeat(200))
    }
    yield* timed(as(caller, [`${project}/build/native/mkdwarfs`, "-i", tree, "-o", path, "-l", "1"]))
    paths.push(path)
  }
  return paths.join(":")
})

const driverOf = Effect.fnUntraced(function*(command: ReturnType<typeof idle>) {
  const driver = (yield* memoryOf(command)).find(({ name }) => name === "fim-dwarfs")
  if (driver === undefined) return yield* new BenchError({ reason: "Failed", detail: "the image has no driver" })
  return driver.share
})

/** Compares starts with the image's layer alone and with many more, in turn. */
export const manyLayers = Effect.fn("ManyLayers.manyLayers")(function*(
  subject: Subject,
  caller: Caller,
  work: string,
  rounds: number
) {
  const environment = { FIM_LAYERS: yield* stack(caller, work) }
  const argv = [subject.image, "fim-exec", "true"] as const
  const [one, many] = yield* inTurn([
    { key: "one", label: "one layer", command: as(caller, [...argv]) },
    { key: "many", label: `${layers} layers`, command: as(caller, [...argv], environment) }
  ], rounds)
  if (one === undefined || many === undefined) {
    return yield* new BenchError({ reason: "Failed", detail: "nothing was measured" })
  }
  const command = idle(subject, caller)
  return {
    layers,
    start: { one: one.ended, many: many.ended },
    driver: {
      one: yield* driverOf(command),
      many: yield* driverOf({ ...command, environment: { ...command.environment, ...environment } })
    }
  } satisfies Many
})
