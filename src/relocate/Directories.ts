import type { Host } from "./Host.ts"

/** Where everything of one run lies, as absolute paths. The names are those of `docs/directories.md`. */
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

/** The global directory as the guest sees it, wherever the host's is. */
export const guestGlobal = "/tmp/fim"

/**
 * The directories below a global directory, for an application directory named `application` and the instance of
 * the name `instance`. `self` is the directory of the image.
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

/** The same directories at the places where the sandbox binds them. */
export const inGuest = (directories: Directories): Directories =>
  below(guestGlobal, basename(directories.application), basename(directories.instance), directories.self)

/** The data directory that the caller chose, whatever is there; absent where it is for us to find one. */
export const chosenData = (host: Host["Service"]): string | undefined => {
  const chosen = host.environment["FIM_DIR_DATA"]
  if (chosen === undefined || chosen === "") return undefined
  const path = chosen.startsWith("/") ? chosen : `${host.directory ?? ""}/${chosen}`
  return path.replace(/(?<=[^/])\/+$/, "")
}

/**
 * Directories in which the data directory may be, best first: that of the image, or, for images in directories that the caller
 * cannot write to, the caller's own data home.
 */
export const dataPlaces = (host: Host["Service"], image: string): ReadonlyArray<string> => {
  const home = dataHome(host.environment)
  return home === undefined ? [dirname(image)] : [dirname(image), `${home}/flatimage`]
}

/**
 * The data home of the caller: `XDG_DATA_HOME`, or `.local/share` at home. A path that is not absolute
 * counts as not set, as the XDG Base Directory Specification requires.
 */
export const dataHome = (environment: Host["Service"]["environment"]): string | undefined => {
  const chosen = environment["XDG_DATA_HOME"]
  if (chosen !== undefined && chosen.startsWith("/")) return chosen
  const home = environment["HOME"]
  return home === undefined || home === "" ? undefined : `${home}/.local/share`
}

/**
 * The cache home of the caller: `XDG_CACHE_HOME`, or `.cache` at home; `undefined` if neither is an absolute path.
 */
export const cacheHome = (environment: Host["Service"]["environment"]): string | undefined => {
  const home = environment["HOME"]
  const cache = environment["XDG_CACHE_HOME"] || (home === undefined ? undefined : `${home}/.cache`)
  return cache?.startsWith("/") === true ? cache : undefined
}

/**
 * Where layers may be unpacked that cannot be mounted, best first: in the caller's own cache, where nobody removes single
 * files by their age, or in the global directory.
 */
export const treeCandidates = (host: Host["Service"], directories: Directories): ReadonlyArray<string> => {
  const cache = cacheHome(host.environment)
  const global = `${directories.global}/layers`
  return cache === undefined ? [global] : [`${cache}/flatimage/layers`, global]
}

/** Of an absolute path: what is behind the last slash. */
export const basename = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** Of an absolute path: what is before the last slash. */
export const dirname = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/"
