/** Which directories a guest can have as its home. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { SourceBind } from "./Sources.ts"

/** File systems of the kernel, in which nobody can make a directory. */
const ofKernel = ["/dev", "/proc", "/sys"]

const isBelow = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`)

/** Whether a directory of this path can be made for a guest. */
export const canBeHome = (path: string): boolean => path !== "/" && !ofKernel.some((place) => isBelow(path, place))

/** Directories of a system: a home there would take the place of the guest's own. */
const ofSystem: ReadonlySet<string> = new Set(
  ["/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/run", "/sbin", "/usr", "/var"]
)

/** Whether a directory of this path can be the host's in a guest, without hiding what the guest needs. */
export const isHomePlace = (path: string): boolean => canBeHome(path) && !ofSystem.has(path)

/**
 * Whether the guest gets a directory at the path of its home. A user whose home is a file, such as `/dev/null`, has none in the
 * guest either.
 *
 * @param fs the host's files
 * @param home of the identity
 * @param environment the caller's
 */
export const getsHome = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  home: string,
  environment: Readonly<Record<string, string | undefined>>
) {
  if (!canBeHome(home)) return false
  if (environment["HOME"] !== home) return true
  const info = yield* Effect.option(fs.stat(home))
  return Option.isNone(info) || info.value.type === "Directory"
})

/**
 * Directories of the guest that are the caller's working directory, best first: its own path, the path by which the caller's shell
 * knows it, and what it is called below a bind whose source is a link.
 *
 * @param fs the host's files
 * @param directory the path without links of the working directory
 * @param environment the caller's
 * @param binds directories that the guest sees at their own path
 */
export const workingDirectories = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
  binds: ReadonlyArray<SourceBind>
) {
  const own = binds.filter(({ isDirectory, source, target }) => isDirectory && source === target && source !== "/")
  if (own.some(({ source }) => isBelow(directory, source))) return [directory]
  const found: Array<string> = [directory]
  const named = environment["PWD"]
  if (named !== undefined && named.startsWith("/") && named !== directory) {
    const real = yield* Effect.option(fs.realPath(named))
    if (Option.contains(real, directory)) found.push(named)
  }
  for (const { source } of own) {
    const real = yield* Effect.option(fs.realPath(source))
    if (Option.isSome(real) && real.value !== source && isBelow(directory, real.value)) {
      found.push(`${source}${directory.slice(real.value.length)}`)
    }
  }
  return found
})
