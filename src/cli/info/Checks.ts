/** Checks of what a start needs from its host, each with a remedy. Pure. */

/** `ok`; `limited`: an image starts in another way; `fails`: no image starts. */
export type State = "ok" | "limited" | "fails"

/** The result of a check. */
export interface Check {
  readonly name: string
  readonly state: State
  readonly detail: string
  /** The command or action that helps; absent if nothing has to be done. */
  readonly remedy?: string
}

/** Parses `/proc/self/limits`: soft limits by name; `Infinity` for unlimited ones. */
export const limitsIn = (text: string): ReadonlyMap<string, number> =>
  new Map(
    [...text.matchAll(/^(Max [a-z ]+?) {2,}(\d+|unlimited) /gm)].map(([, name = "", value]) => [
      name,
      value === "unlimited" ? Infinity : Number(value)
    ])
  )

/** Lower limits end a start (`test/e2e/Limits.test.ts`), or most programs in it. */
const minimumLimits: ReadonlyArray<readonly [name: string, value: number, flag: string]> = [
  ["Max open files", 64, "-n"],
  ["Max processes", 64, "-u"],
  ["Max address space", 2 ** 31, "-v"],
  ["Max data size", 2 ** 28, "-d"],
  ["Max file size", 2 ** 30, "-f"]
]

/** Converts a value to the unit of `ulimit`, which uses KiB for bytes. */
const inUnits = (name: string, value: number): number =>
  name === "Max open files" || name === "Max processes" ? value : value / 1024

/**
 * Checks the limits of processes.
 *
 * @param text the content of `/proc/self/limits`
 */
export const limitsCheck = (text: string): Check => {
  const limits = limitsIn(text)
  const low = minimumLimits.filter(([name, value]) => (limits.get(name) ?? Infinity) < value)
  if (low.length === 0) return { name: "limits", state: "ok", detail: "of files, processes and memory are high enough" }
  return {
    name: "limits",
    state: "limited",
    detail: low.map(([name]) => `${name.slice(4)}: ${limits.get(name)}`).join(", "),
    remedy: low.map(([name, value, flag]) => `ulimit ${flag} ${inUnits(name, value)}`).join("; ")
  }
}

/** KiB below which large programs and layers are slow. */
const minimumMemory = 256 * 1024

/**
 * Checks the free memory.
 *
 * @param text the content of `/proc/meminfo`
 */
export const memoryCheck = (text: string): Check => {
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(text)?.[1] ?? Infinity)
  const shown = Number.isFinite(available) ? `${Math.round(available / 1024)} MiB available` : "enough"
  return available >= minimumMemory
    ? { name: "memory", state: "ok", detail: shown }
    : { name: "memory", state: "limited", detail: shown, remedy: "end other programs" }
}

/**
 * Checks the free space of a directory that will be written to.
 *
 * @param name what is written there
 * @param path the directory
 * @param text the output of `df -Pk` for it
 */
export const spaceCheck = (name: string, path: string, text: string): Check => {
  const free = Number(/^\S.*?\s+\d+\s+\d+\s+(\d+)\s+\d+%/m.exec(text)?.[1] ?? Number.NaN)
  const shown = Number.isNaN(free) ? "unknown" : `${Math.floor(free / 1024)} MiB free`
  const detail = `${shown} in '${path}'`
  // KiB of an image's unpacked tools, with a margin.
  return free < 32 * 1024
    ? {
      name,
      state: "limited",
      detail,
      remedy: `make room there, or choose another place with FIM_DIR_${name === "data" ? "DATA" : "GLOBAL"}`
    }
    : { name, state: "ok", detail }
}

/** One line for each check, with its remedy below. */
export const linesOf = (checks: ReadonlyArray<Check>): ReadonlyArray<string> =>
  checks.flatMap(({ detail, name, remedy, state }) => [
    `${state.padEnd(8)}${name}: ${detail}`,
    ...(remedy === undefined ? [] : [`        ${remedy}`])
  ])
