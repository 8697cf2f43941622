/**
 * Where layers do not stay mounted after the last instance, whatever the time. Looked at while the program runs, so no start takes
 * longer for it.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Host } from "../relocate/Host.ts"
import type { Time } from "./LingerTime.ts"
import { isRemovable } from "./Removable.ts"

/** What is known of the run and its surroundings. */
export interface Surroundings {
  readonly uid: number
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The content of `/proc/self/cgroup`. */
  readonly groups: string
  /** Whether a file says that this is a container. */
  readonly isMarked: boolean
}

/** Files that container engines make. */
const marks = ["/run/.containerenv", "/.dockerenv", "/run/systemd/container"]

/** The units of systemd in the paths of control groups, the innermost first. */
const unitsOf = (groups: string): ReadonlyArray<string> =>
  groups.split("\n").flatMap((line) => line.split(":").slice(2).join(":").split("/"))
    .filter((name) => /\.(service|scope)$/.test(name)).reverse()

/** The manager of a user is a service too, and whatever he starts is below it. */
const isManager = (unit: string): boolean => /^user@\d+\.service$/.test(unit)

const isSet = (value: string | undefined): boolean => value !== undefined && value !== ""

/**
 * Says why layers must not stay.
 *
 * @param surroundings the run and what is around it
 * @param time how long they should; a time that the caller has chosen counts in a container and in continuous integration too
 * @returns the reason, or `undefined` if they may
 */
export const refusalOf = (surroundings: Surroundings, time: Time): string | undefined => {
  const { environment, groups, isMarked, uid } = surroundings
  const [unit] = unitsOf(groups)
  if (time.seconds === 0) return "FIM_LINGER is 0"
  if (uid === 0) return "root has started it"
  if (unit !== undefined ? unit.endsWith(".service") && !isManager(unit) : isSet(environment["INVOCATION_ID"])) {
    return "this is a service"
  }
  const isOfSlurm = ["SLURM_JOB_ID", "SLURM_JOBID"].some((name) => isSet(environment[name]))
  if (isOfSlurm || /\/(slurm|slurmstepd\.scope)(\/|$)/m.test(groups)) return "this is a job of Slurm"
  if (time.isChosen) return undefined
  const ci = environment["CI"]?.toLowerCase()
  if (isSet(ci) && ci !== "false" && ci !== "0") return "this is continuous integration"
  const isContainer = isMarked || isSet(environment["container"]) || isSet(environment["KUBERNETES_SERVICE_HOST"])
  return isContainer ? "this is a container" : undefined
}

/**
 * Looks whether layers may stay mounted.
 *
 * @param fs the host's file system
 * @param host the facts about the process
 * @param time how long they should
 * @param files the files of the layers
 * @returns the reason, or `undefined` if they may
 */
export const refusal = Effect.fn("Lingering.refusal")(function*(
  fs: FileSystem.FileSystem,
  host: Host["Service"],
  time: Time,
  files: ReadonlyArray<string>
) {
  const { environment, uid } = host
  const groups = yield* Effect.orElseSucceed(fs.readFileString("/proc/self/cgroup"), () => "")
  const found = yield* Effect.forEach(marks, (path) => Effect.orElseSucceed(fs.exists(path), () => false))
  const reason = refusalOf({ uid, environment, groups, isMarked: found.includes(true) }, time)
  if (reason !== undefined) return reason
  for (const file of new Set(files)) {
    if (yield* isRemovable(fs, file)) return `'${file}' is on a removable medium`
  }
  return undefined
})
