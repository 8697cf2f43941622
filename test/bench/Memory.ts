import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import type { Caller } from "./Caller.ts"
import { type Command, held } from "./Processes.ts"
import { idle } from "./Starts.ts"
import type { Subject } from "./Subject.ts"

/** Memory of one process in KiB: its share of what it has in memory, and what nobody else has. */
export interface Held {
  readonly name: string
  readonly share: number
  readonly own: number
}

/** Pids of a process and of all below it. */
const family = (pid: number): ReadonlyArray<number> => {
  const parents = new Map<number, number>()
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "latin1")
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]))
    } catch {
      // It has ended in between.
    }
  }
  const members = [pid]
  for (const member of members) {
    for (const [child, parent] of parents) if (parent === member) members.push(child)
  }
  return members
}

/** What a process is called. What runs through a loader is named by the program behind the library path. */
const nameOf = (pid: number): string => {
  const comm = readFileSync(`/proc/${pid}/comm`, "latin1").trim()
  if (comm.startsWith("fim-")) return comm
  const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0")
  const program = words[1] === "--library-path" ? words[3] : words[0]
  const name = (program ?? "").slice((program ?? "").lastIndexOf("/") + 1)
  return name === "fim" ? `fim ${words[1]}` : name
}

const heldBy = (pid: number): Held => {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1")
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0)
  return { name: nameOf(pid), share: field("Pss"), own: field("Private_Clean") + field("Private_Dirty") }
}

/** Idle is who has not read for so long: the driver lets go of what it has decompressed after five seconds. */
const wait = "7 seconds"

/** What a program that waits, and all below it, have in memory, process by process. */
export const memoryOf = Effect.fn("Memory.memoryOf")(function*(command: Command) {
  const pid = yield* held(command)
  yield* Effect.sleep(wait)
  return family(pid).map(heldBy)
}, Effect.scoped)

/** What an image whose program sleeps has in memory. */
export const memory = (subject: Subject, caller: Caller) => memoryOf(idle(subject, caller))
