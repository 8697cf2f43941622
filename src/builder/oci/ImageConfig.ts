/** What the configuration of a container becomes in the settings of an image. */
import * as Result from "effect/Result"
import { unexpanded } from "../../image/Expand.ts"
import type { Boot, Container, ContainerUser, Environment } from "../../image/Settings.ts"
import { forwarded, numbers } from "../../Signals.ts"
import type { Execution } from "./Documents.ts"

/** The settings of an image that is made of a container, and what of the configuration has no place in them. */
export interface Configured {
  readonly boot: Boot
  readonly environment: Environment
  readonly container: Container
  /** Who runs, as the configuration has it. */
  readonly user: string
  readonly notes: ReadonlyArray<string>
}

/** Most bytes of labels, which share their field with other settings. */
const labelLimit = 32 << 10

const words = (list: ReadonlyArray<string> | null | undefined): ReadonlyArray<string> => {
  const found = list ?? []
  // Docker's way to have none.
  return found.length === 1 && found[0] === "" ? [] : found
}

const firstRealTime = 34

/** The number of a signal: `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`. `undefined` for what no program can be sent. */
export const signalOf = (text: string): number | undefined => {
  const name = text.trim().toUpperCase()
  const realTime = /^(?:SIG)?RTMIN(?:\+(\d{1,2}))?$/.exec(name)
  const number = /^\d{1,2}$/.test(name)
    ? Number(name)
    : realTime !== null
    ? firstRealTime + Number(realTime[1] ?? 0)
    : ({ ...numbers, SIGKILL: 9 } as Readonly<Record<string, number>>)[name.startsWith("SIG") ? name : `SIG${name}`]
  return number === 9 || (number !== undefined && forwarded.includes(number)) ? number : undefined
}

const environmentOf = (list: ReadonlyArray<string>) => {
  const environment: Record<string, string> = {}
  const without: Array<string> = []
  for (const line of list) {
    const at = line.indexOf("=")
    if (at > 0) environment[line.slice(0, at)] = unexpanded(line.slice(at + 1))
    else without.push(line)
  }
  return { environment, without }
}

/** With the most important first: what does not fit is left out at the end. */
const fittingLabels = (labels: Readonly<Record<string, string>>) => {
  const kept: Record<string, string> = {}
  let left = labelLimit
  let lost = 0
  for (const [name, value] of Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))) {
    left -= JSON.stringify([name, value]).length
    if (left < 0) lost++
    else kept[name] = value
  }
  return { kept, lost }
}

const keysOf = (keys: Readonly<Record<string, unknown>> | null | undefined) => Object.keys(keys ?? {}).sort()

/** For a container with neither an entry point nor a command: our own, which no container has in its `PATH`. */
const shell: Boot = { program: "$FIM_DIR_APP_BIN/bash", args: [] }

/** Translates a configuration. Fails with the problem, in one line. */
export const configured = (execution: Execution): Result.Result<Configured, string> => {
  const entrypoint = words(execution.Entrypoint)
  const cmd = words(execution.Cmd)
  const [program, ...args] = entrypoint.length > 0 ? entrypoint : cmd
  if (program === "") return Result.fail("the name of its program is empty")
  const notes: Array<string> = []
  const { environment, without } = environmentOf(execution.Env ?? [])
  if (without.length > 0) notes.push(`Variables without a value are left out: ${without.join(", ")}`)
  const stop = execution.StopSignal ?? ""
  const stopSignal = stop === "" ? undefined : signalOf(stop)
  if (stop !== "" && stopSignal === undefined) {
    notes.push(`The signal ${stop} cannot be sent to a program: fim-instance stop sends SIGTERM`)
  }
  const { kept, lost } = fittingLabels(execution.Labels ?? {})
  if (lost > 0) {
    notes.push(`${lost} of the labels are left out: more than ${labelLimit} bytes have no place in an image`)
  }
  const directory = execution.WorkingDir ?? ""
  const [ports, volumes] = [keysOf(execution.ExposedPorts), keysOf(execution.Volumes)]
  const container: Container = {
    ...(entrypoint.length === 0 ? { replaceable: true } : cmd.length === 0 ? {} : { arguments: cmd }),
    directory: directory.startsWith("/") ? directory : `/${directory}`,
    ...(stopSignal === undefined ? {} : { stopSignal }),
    ...(Object.keys(kept).length === 0 ? {} : { labels: kept }),
    ...(ports.length === 0 ? {} : { ports }),
    ...(volumes.length === 0 ? {} : { volumes })
  }
  return Result.succeed({
    boot: program === undefined ? shell : { program: unexpanded(program), args },
    environment,
    container,
    user: execution.User ?? "",
    notes
  })
}

/** Lines of an account file, as their fields. */
const lines = (text: string): ReadonlyArray<ReadonlyArray<string>> =>
  text.split("\n").map((line) => line.split(":")).filter(([name]) =>
    name !== undefined && name !== "" && !name.startsWith("#")
  )

const idOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,10}$/.test(text) && Number(text) <= 4_294_967_294 ? Number(text) : undefined

/**
 * Finds the user of a container in the accounts of its tree, as its engines do.
 *
 * @param stored `name`, `uid`, either with `:group` or `:gid`; empty for root
 * @param passwd content of `/etc/passwd`, empty if there is none
 * @param group content of `/etc/group`
 * @returns the user; fails with the problem
 */
export const resolveUser = (stored: string, passwd: string, group: string): Result.Result<ContainerUser, string> => {
  const [wanted = "", wantedGroup, ...more] = stored.split(":")
  if (more.length > 0) return Result.fail(`its user ${JSON.stringify(stored)} is not NAME:GROUP`)
  const name = wanted === "" ? "0" : wanted
  const number = idOf(name)
  const accounts = lines(passwd)
  const account = accounts.find(([known]) => known === name) ??
    (number === undefined ? undefined : accounts.find(([, , uid]) => idOf(uid) === number))
  const uid = account === undefined ? number : idOf(account[2])
  if (uid === undefined) return Result.fail(`its user ${JSON.stringify(name)} is not in its /etc/passwd`)
  const groups = lines(group)
  const groupNumber = idOf(wantedGroup)
  const chosen = wantedGroup === undefined || wantedGroup === ""
    ? idOf(account?.[3]) ?? 0
    : idOf(groups.find(([known]) => known === wantedGroup)?.[2]) ?? groupNumber
  if (chosen === undefined) return Result.fail(`its group ${JSON.stringify(wantedGroup)} is not in its /etc/group`)
  const login = account?.[0] ?? (uid === 0 ? "root" : `user${uid}`)
  const home = account?.[5] ?? ""
  const supplementary = wantedGroup !== undefined && wantedGroup !== "" ?
    [] :
    groups.flatMap(([known = "", , gid, members]) => {
      const id = idOf(gid)
      return id !== undefined && id !== chosen && (members ?? "").split(",").includes(login)
        ? [{ name: known, gid: id }]
        : []
    })
  return Result.succeed({
    stored,
    uid,
    gid: chosen,
    name: login,
    home: home.startsWith("/") ? home : uid === 0 ? "/root" : "/",
    groups: uid === 0 ? [] : supplementary
  })
}
