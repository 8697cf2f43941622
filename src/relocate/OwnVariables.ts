/** The variables `FIM_*` of a run. Its settings and its program can use them. */
import type { Variables } from "../image/Expand.ts"
import type { Directories } from "./Directories.ts"
import type { Host } from "./Host.ts"
import type { Relocate } from "./Relocate.ts"

/** Facts about the image and the run, which the guest gets as `FIM_*`. */
export interface Facts {
  readonly version: string
  readonly commit: string
  readonly timestamp: string
  readonly distribution: string
  readonly pid: number
  readonly image: string
  readonly reservedOffset: number
  readonly data: string
  /** Directories as the host or as the guest sees them. */
  readonly directories: Directories
}

/** The name of a version: a number gets a `v`, other names stay. */
export const versionName = (version: string): string => /^\d/.test(version) ? `v${version}` : version

/** The variables that flatimage sets. */
export const ownVariables = (facts: Facts): Readonly<Record<string, string>> => ({
  FIM_VERSION: versionName(facts.version),
  FIM_COMMIT: facts.commit,
  FIM_TIMESTAMP: facts.timestamp,
  FIM_DIST: facts.distribution,
  FIM_PID: String(facts.pid),
  FIM_BIN_SELF: facts.image,
  FIM_DIR_SELF: facts.directories.self,
  FIM_OFFSET: String(facts.reservedOffset),
  FIM_DIR_GLOBAL: facts.directories.global,
  FIM_DIR_APP: facts.directories.application,
  FIM_DIR_APP_BIN: facts.directories.bin,
  FIM_DIR_APP_SBIN: facts.directories.sbin,
  FIM_DIR_INSTANCE: facts.directories.instance,
  FIM_DIR_RUNTIME: facts.directories.runtime,
  FIM_DIR_RUNTIME_HOST: facts.directories.runtimeHost,
  FIM_DIR_DATA: facts.data,
  FIM_DIR_LAYERS: `${facts.data}/layers`
})

/**
 * The variables that a setting of a run can refer to: the caller's environment and those of the run, which override it.
 *
 * @param run the image and the caller
 * @param run.distribution name of its distribution
 * @param run.data the data directory; empty if there is none
 * @param directories as the side sees them where the setting applies: `inGuest` of them for paths of the guest
 * @returns values by name
 */
export const variablesOf = (
  run: {
    readonly host: Host["Service"]
    readonly relocate: Relocate["Service"]
    readonly distribution: string
    readonly data: string
  },
  directories: Directories
): Variables => ({ ...run.host.environment, ...ownVariables(factsOf(run, directories)) })

/** The facts from which {@link variablesOf} makes variables. */
export const factsOf = (
  { data, distribution, host, relocate }: Parameters<typeof variablesOf>[0],
  directories: Directories
): Facts => ({
  version: relocate.version,
  commit: relocate.commit,
  timestamp: relocate.timestamp,
  distribution,
  pid: host.pid,
  image: relocate.image,
  reservedOffset: relocate.reservedOffset,
  data,
  directories
})
