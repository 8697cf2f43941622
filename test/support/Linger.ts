/** Layers that stay mounted after the last instance: the drivers that hold them, as they are seen from outside. */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { processesIn } from "./Leftovers.ts"
import type { Place } from "./Place.ts"
import { eventually } from "./Portal.ts"
import * as Process from "./Process.ts"

/** Variables with which layers stay for so many seconds. */
export const forSeconds = (seconds: number) => ({ FIM_LINGER: String(seconds) })

/** Pids of the drivers of a place. */
export const drivers = (app: Place): ReadonlyArray<number> =>
  processesIn([app.global]).filter(({ name }) => name === "fim-dwarfs").map(({ pid }) => pid)

/** Directories of sockets, and the sockets in them that have their final names. */
const places = (app: Place) => readdirSync(`${app.global}/app`).map((name) => `${app.global}/app/${name}/linger`)
export const sockets = (app: Place): ReadonlyArray<string> =>
  places(app).flatMap((directory) => {
    try {
      return readdirSync(directory).filter((name) => !name.startsWith(".")).map((name) => `${directory}/${name}`)
    } catch {
      return []
    }
  })

/** Descriptors of a process, each with what it is open on. */
export const descriptorsOf = (pid: number): ReadonlyArray<readonly [number: number, target: string]> =>
  readdirSync(`/proc/${pid}/fd`).map((name) => [Number(name), readlinkSync(`/proc/${pid}/fd/${name}`)] as const)

const namespaceOf = (pid: number) => descriptorsOf(pid).find(([, target]) => target.startsWith("mnt:"))

/** The only driver of a place, once it holds the layers and all processes of the instances are gone. */
export const lingering = (app: Place) =>
  eventually("a driver alone", () => {
    const all = processesIn([app.global])
    const [driver] = all
    return all.length === 1 && driver?.name === "fim-dwarfs" && namespaceOf(driver.pid) !== undefined && driver.pid
  })

/** Enters a mount namespace and stays there. The system call has no program that would not be looked for in there. */
const enter =
  "open F, \"<\", $ARGV[0] or die; syscall($ARGV[1], fileno F, 0x20000) == 0 or die $!; $| = 1; print \"inside\\n\"; sleep 60"
const setns = process.arch === "arm64" ? "268" : "308"

/** What is mounted in the namespace that a driver holds, as lines of mountinfo. */
export const mountsOf = (pid: number) =>
  Effect.gen(function*() {
    const [number] = namespaceOf(pid) ?? [-1]
    const inside = yield* Process.start(["perl", "-e", enter, `/proc/${pid}/fd/${number}`, setns])
    yield* inside.says(/inside/)
    return readFileSync(`/proc/${inside.pid}/mountinfo`, "utf8").split("\n").filter((line) => line !== "")
  }).pipe(Effect.scoped)
