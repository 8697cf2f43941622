import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readFileSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { BenchError } from "./BenchError.ts"
import { as, type Caller, directoryOf } from "./Caller.ts"
import { formerly } from "./Previous.ts"
import { type Command, held, type Timed, timed } from "./Processes.ts"
import { summarize, type Summary } from "./Statistics.ts"
import { applicationOf, type Subject } from "./Subject.ts"

/** One way to start something, and what it took, in milliseconds. */
export interface Start {
  readonly key: string
  readonly label: string
  readonly ended: Summary
  readonly released: Summary
}

interface Specimen {
  readonly key: string
  readonly label: string
  /** In each round the same one, or that of its number. */
  readonly command: Command | ((round: number) => Command)
}

const byHand = fileURLToPath(new URL("by-hand.sh", import.meta.url))

/** SHA-256 of the floor. Ratios against another one say nothing beside earlier ratios. */
const floorDigest = "ae56692dc9e603ab4e92ab64999f68b6ed2eddee22761bd6a96c819d685d8720"

const sameFloor = Effect.suspend(() => {
  const digest = createHash("sha256").update(readFileSync(byHand)).digest("hex")
  return digest === floorDigest ? Effect.void : new BenchError({
    reason: "Failed",
    detail: `the floor 'by-hand.sh' was changed; if it has to be another one, its digest in Starts.ts is now ${digest}`
  })
})

/** Time for what a start leaves to the kernel, so that the next one does not pay for it. */
const settle = Effect.sleep("30 millis")

/**
 * Measures specimens in turn, in an order that changes from round to round, so that all of them meet the same weather.
 * The first round warms caches and is not counted.
 */
export const inTurn = Effect.fnUntraced(function*(specimens: ReadonlyArray<Specimen>, rounds: number) {
  const results = new Map<string, Array<Timed>>(specimens.map(({ key }) => [key, []]))
  for (let round = -1; round < rounds; round++) {
    for (let index = 0; index < specimens.length; index++) {
      const specimen = specimens[(index + round + specimens.length) % specimens.length]
      if (specimen === undefined) continue
      const { command } = specimen
      const result = yield* timed(typeof command === "function" ? command(round) : command)
      if (round >= 0) results.get(specimen.key)?.push(result)
      yield* settle
    }
  }
  return specimens.map(({ key, label }): Start => ({
    key,
    label,
    ended: summarize((results.get(key) ?? []).map((result) => result.ended)),
    released: summarize((results.get(key) ?? []).map((result) => result.released))
  }))
})

const isolation = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--unshare-net"]

/** The floors: a process, the sandbox alone with and without the image's isolation, the program itself, all mounts by hand. */
const floors = (subject: Subject, caller: Caller): ReadonlyArray<Specimen> => {
  const [uid, gid] = [caller.ids?.uid ?? process.getuid?.() ?? 0, caller.ids?.gid ?? process.getgid?.() ?? 0]
  const isRoot = uid === 0
  const users = isRoot ? [] : ["--unshare-user", "--uid", `${uid}`, "--gid", `${gid}`]
  const bwrap = (options: ReadonlyArray<string>) =>
    as(caller, [
      `${applicationOf(caller)}/bin/bwrap`,
      ...users,
      ...options,
      "--bind",
      subject.root,
      "/",
      "--proc",
      "/proc",
      "--dev",
      "/dev",
      "--",
      "true"
    ])
  return [
    { key: "process", label: "`true` of the host", command: as(caller, ["true"]) },
    { key: "bare", label: "(a) bare bubblewrap", command: bwrap([]) },
    { key: "isolated", label: "bubblewrap, all namespaces", command: bwrap(isolation) },
    {
      key: "by-hand",
      label: "(b) the same by hand",
      command: as(caller, ["sh", byHand, "true"], {
        app: applicationOf(caller),
        driver: subject.driver,
        image: subject.image,
        offset: String(subject.layer.offset),
        size: String(subject.layer.size),
        layer: directoryOf(caller, "by-hand/layer"),
        upper: directoryOf(caller, "by-hand/upper"),
        work: directoryOf(caller, "by-hand/work"),
        uid: isRoot ? "" : String(uid),
        gid: isRoot ? "" : String(gid)
      })
    },
    {
      key: "fim",
      label: "the program `fim` without its engine",
      command: as(caller, [`${applicationOf(caller)}/bin/fim`, "--help"])
    }
  ]
}

/** What is started of an image. Only who owns it may change its settings. */
const specimensOf = (image: string, caller: Caller, key: string, label: string): ReadonlyArray<Specimen> => [
  { key: `${key}warm`, label: `**\`APP fim-exec true\`**${label}`, command: as(caller, [image, "fim-exec", "true"]) },
  {
    key: `${key}version`,
    label: `\`APP fim-version short\`${label}`,
    command: as(caller, [image, "fim-version", "short"])
  },
  { key: `${key}env`, label: `\`APP fim-env list\`${label}`, command: as(caller, [image, "fim-env", "list"]) },
  ...(caller.ids === undefined
    ? [{
      key: `${key}set`,
      label: `\`APP fim-env set A=B\`${label}`,
      command: (round: number) => as(caller, [image, "fim-env", "set", `A=${round}`])
    }]
    : [])
]

/** Starts of an image whose tools are unpacked already, with the floors and the earlier image, all in turn. */
export const warm = Effect.fn("Starts.warm")(
  function*(subject: Subject, previous: Subject | undefined, caller: Caller, rounds: number) {
    yield* sameFloor
    directoryOf(caller, "by-hand")
    yield* timed(as(caller, [subject.image, "fim-exec", "true"]))
    const before = formerly(caller)
    if (previous !== undefined) yield* timed(as(before, [previous.image, "fim-exec", "true"]))
    return yield* inTurn([
      ...floors(subject, caller),
      ...specimensOf(subject.image, caller, "", ""),
      ...(previous === undefined ? [] : specimensOf(previous.image, before, "previous-", ", before"))
    ], rounds)
  }
)

/** A program that says when it is there and then waits. */
export const idle = (subject: Subject, caller: Caller): Command =>
  as(caller, [subject.image, "fim-exec", "sh", "-c", "echo ready; exec sleep 1000"])

/** Starts beside an instance that runs on the same data directory. */
export const joined = Effect.fn("Starts.joined")(function*(subject: Subject, caller: Caller, rounds: number) {
  yield* held(idle(subject, caller))
  return yield* inTurn([
    {
      key: "joined",
      label: "`APP fim-exec true` while one runs",
      command: as(caller, [subject.image, "fim-exec", "true"])
    }
  ], rounds)
}, Effect.scoped)

/** Starts that have to unpack tools first, of an image and of the earlier one in turn, in milliseconds. */
export const first = Effect.fn("Starts.first")(
  function*(subject: Subject, previous: Subject | undefined, caller: Caller, rounds: number) {
    const images = [subject, ...(previous === undefined ? [] : [previous])]
    const taken = images.map((): Array<number> => [])
    for (let round = 0; round < rounds; round++) {
      for (const [index, { image }] of images.entries()) {
        const environment = {
          FIM_DIR_GLOBAL: `${caller.directory}/first-${round}`,
          FIM_DIR_DATA: `${directoryOf(caller, `first-data-${index}`)}/data`
        }
        const result = yield* timed(as(caller, [image, "fim-exec", "true"], environment))
        taken[index]?.push(result.ended)
        rmSync(environment.FIM_DIR_GLOBAL, { recursive: true })
        yield* settle
      }
    }
    const [own, before] = taken.map(summarize)
    return { own, before }
  }
)
