/** What a run has left behind, seen from outside: in the mounts, the processes and the files. */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { Failure } from "./Failure.ts"

const orEmpty = <A>(read: () => A, empty: A): A => {
  try {
    return read()
  } catch {
    return empty
  }
}

const text = (path: string): string => orEmpty(() => readFileSync(path, "latin1"), "")
const link = (path: string): string => orEmpty(() => readlinkSync(path, "latin1"), "")
const list = (path: string): ReadonlyArray<string> => orEmpty(() => readdirSync(path), [])

/** A path as `/proc` writes it in mountinfo. */
const inMountinfo = (path: string): string =>
  Buffer.from(path).toString("latin1").replaceAll("\\", "\\134").replaceAll(" ", "\\040").replaceAll("\t", "\\011")
    .replaceAll("\n", "\\012")

/** A process that is alive: what waits to be reaped has nothing left. */
export interface Process {
  readonly pid: number
  readonly name: string
  readonly command: string
}

const living = (pid: string): Process | undefined => {
  const stat = text(`/proc/${pid}/stat`)
  const end = stat.lastIndexOf(")")
  const state = stat.slice(end + 2, end + 3)
  if (end < 0 || state === "Z" || state === "X") return undefined
  const command = text(`/proc/${pid}/cmdline`).replaceAll("\0", " ").slice(0, 200)
  return { pid: Number(pid), name: stat.slice(stat.indexOf("(") + 1, end), command }
}

const isRelated = (pid: string, paths: ReadonlyArray<string>): boolean => {
  const facts = [
    text(`/proc/${pid}/environ`),
    text(`/proc/${pid}/cmdline`),
    ...["exe", "cwd", "root"].map((name) => link(`/proc/${pid}/${name}`))
  ]
  return paths.some((path) => {
    const bytes = Buffer.from(path).toString("latin1")
    return facts.some((fact) => fact.includes(bytes))
  })
}

/** Living processes whose program, words, variables or directories lie in one of the directories. */
export const processesIn = (paths: ReadonlyArray<string>): ReadonlyArray<Process> =>
  list("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid) && isRelated(name, paths))
    .flatMap((pid) => living(pid) ?? [])

/** Lines of mountinfo that name one of the directories, in whatever mount namespace they are visible. */
const mountsIn = (paths: ReadonlyArray<string>): ReadonlyArray<string> => {
  const seen = new Set<string>()
  const found: Array<string> = []
  const names = paths.map(inMountinfo)
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name))) {
    const namespace = link(`/proc/${pid}/ns/mnt`)
    if (namespace === "" || seen.has(namespace)) continue
    seen.add(namespace)
    for (const line of text(`/proc/${pid}/mountinfo`).split("\n")) {
      if (names.some((name) => line.includes(name))) found.push(`mount seen by ${pid}: ${line}`)
    }
  }
  return found
}

/** Instance directories below a global directory. */
const instancesIn = (global: string): ReadonlyArray<string> =>
  list(`${global}/app`).flatMap((application) =>
    list(`${global}/app/${application}/instance`).map((name) => `${global}/app/${application}/instance/${name}`)
  )

/** Where a run can leave something. */
export interface Traces {
  readonly directory: string
  readonly global: string
  readonly data: string
}

/** Everything of a run that is still there, one line each. */
const leftovers = (traces: Traces): ReadonlyArray<string> => {
  const paths = [traces.directory, traces.global]
  return [
    ...processesIn(paths).map(({ command, name, pid }) => `process ${pid} (${name}): ${command}`),
    ...mountsIn(paths),
    ...instancesIn(traces.global).map((path) => `instance directory ${path}`),
    ...list(`${traces.data}/work`).filter((name) => name !== "lock" && name !== "start").map((name) =>
      `${traces.data}/work/${name}`
    )
  ]
}

/** How long a run may take to disappear after its end. */
const limit = 1000

/** Waits until nothing is left of a run, at most a second; fails with what is. The answer is how long it took. */
export const disappears = (traces: Traces, what = "the run"): Effect.Effect<number, Failure> =>
  Effect.gen(function*() {
    const started = performance.now()
    while (true) {
      const left = leftovers(traces)
      const elapsed = performance.now() - started
      if (left.length === 0) return elapsed
      if (elapsed > limit) {
        return yield* new Failure({ detail: `a second after ${what} there is left:\n${left.join("\n")}` })
      }
      yield* Effect.sleep(10)
    }
  })
