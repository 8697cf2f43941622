import type { Host } from "./Host.ts"

/** The directories of one run, as absolute paths. `docs/directories.md` defines the names. */
export interface Directories {
  readonly self: string
  readonly global: string
  readonly application: string
  readonly bin: string
  readonly sbin: string
  readonly lib: string
  readonly instances: string
  readonly instance: string
  readonly runtime: string
  readonly runtimeHost: string
}

/** The global directory in the guest, wherever it is on the host. */
export const guestGlobal = "/tmp/fim"

/**
 * The directories below a global directory.
 *
 * @param global path of the global directory
 * @param application name of the application directory
 * @param instance name of the instance
 * @param self directory of the image
 */
export const below = (global: string, application: string, instance: string, self: string): Directories => {
  const root = `${global}/app/${application}`
  return {
    self,
    global,
    application: root,
    bin: `${root}/bin`,
    sbin: `${root}/sbin`,
    lib: `${root}/lib`,
    instances: `${root}/instance`,
    instance: `${root}/instance/${instance}`,
    runtime: `${global}/run`,
    runtimeHost: `${global}/run/host`
  }
}

/** The same directories at their paths in the guest. */
export const inGuest = (directories: Directories): Directories =>
  below(guestGlobal, basename(directories.application), basename(directories.instance), directories.self)

/** The data directory that the caller has chosen, whether it exists or not; absent if flatimage has to find one. */
export const chosenData = (host: Host["Service"]): string | undefined => {
  const chosen = host.environment["FIM_DIR_DATA"]
  if (chosen === undefined || chosen === "") return undefined
  return absolute(host, chosen).replace(/(?<=[^/])\/+$/, "")
}

/**
 * The directories that can contain the data directory, best first: that of the image, and the caller's data home for images
 * in directories that the caller cannot write to.
 */
export const dataPlaces = (host: Host["Service"], image: string): ReadonlyArray<string> => {
  const home = dataHome(host.environment)
  return home === undefined ? [dirname(image)] : [dirname(image), `${home}/flatimage`]
}

/**
 * The data home of the caller: `XDG_DATA_HOME`, or `.local/share` in the home directory. A relative path counts as not set,
 * as the XDG Base Directory Specification requires.
 */
export const dataHome = (environment: Host["Service"]["environment"]): string | undefined => {
  const chosen = environment["XDG_DATA_HOME"]
  if (chosen !== undefined && chosen.startsWith("/")) return chosen
  const home = environment["HOME"]
  return home === undefined || home === "" ? undefined : `${home}/.local/share`
}

/** The cache home of the caller: `XDG_CACHE_HOME`, or `.cache` at home; `undefined` if neither is an absolute path. */
export const cacheHome = (environment: Host["Service"]["environment"]): string | undefined => {
  const home = environment["HOME"]
  const cache = environment["XDG_CACHE_HOME"] || (home === undefined ? undefined : `${home}/.cache`)
  return cache?.startsWith("/") === true ? cache : undefined
}

/**
 * Directories in which layers can be unpacked that cannot be mounted, best first: the caller's cache, where nobody removes
 * single files by age, then the global directory.
 */
export const treeCandidates = (host: Host["Service"], directories: Directories): ReadonlyArray<string> => {
  const cache = cacheHome(host.environment)
  const global = `${directories.global}/layers`
  return cache === undefined ? [global] : [`${cache}/flatimage/layers`, global]
}

/**
 * A path of the host that no change of the working directory changes any more.
 *
 * @param path absolute, or relative to the caller's directory; an empty one stays empty
 */
export const absolute = (host: Pick<Host["Service"], "directory">, path: string): string =>
  path === "" || path.startsWith("/") ? path : `${host.directory ?? ""}/${path}`

/** The part of an absolute path after the last slash. */
export const basename = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** The part of an absolute path before the last slash. */
export const dirname = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/"
