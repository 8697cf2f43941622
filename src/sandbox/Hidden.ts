/**
 * Hides our own directories in a guest's view of the host. A bind of a parent directory would let the guest change the tools
 * that the next start executes, the records by which instances find each other, and the data of other images.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { basename, chosenData, type Directories, dirname } from "../relocate/Directories.ts"
import type { Host } from "../relocate/Host.ts"
import type { Bind } from "./Arguments.ts"

/** A bind, and the path behind all links of its source; absent where that is not known. */
export interface Resolved {
  readonly bind: Bind
  readonly real: string | undefined
}

/** Whether a path is a directory or lies below it. */
export const isWithin = (path: string, directory: string): boolean =>
  directory === "/" || path === directory || path.startsWith(`${directory}/`)

const join = (directory: string, below: string): string => directory === "/" ? below : `${directory}${below}`

/** What a guest may see of the host, and what not. */
export interface Shown {
  /** The binds that may stay. */
  readonly binds: ReadonlyArray<Bind>
  /** Those of a directory of ours, or of something in one. */
  readonly refused: ReadonlyArray<Bind>
  /** Places in the guest at which a directory of ours would be seen, or on which we bind our own, outermost first. */
  readonly hidden: ReadonlyArray<string>
}

/**
 * Finds where binds show our directories. In: the binds in the order in which they are mounted, with targets that no link of
 * the guest changes; the real paths of our directories; and the guest's directory for our own binds, which must be
 * empty even below another bind.
 */
export const hide = (binds: ReadonlyArray<Resolved>, ours: ReadonlyArray<string>, guest: string): Shown => {
  const isOurs = ({ real }: Resolved): boolean => real !== undefined && ours.some((own) => isWithin(real, own))
  const visible = binds.filter((bind) => !isOurs(bind))
  const places = visible.flatMap(({ bind: { target }, real }, index) =>
    ours.flatMap((own) => {
      if (real === undefined || !isWithin(own, real)) return []
      const place = join(target, real === "/" ? own : own.slice(real.length))
      // A later mount on top of it shows something else there, and is checked by itself.
      const isCovered = visible.slice(index + 1).some(({ bind }) => isWithin(place, bind.target))
      return isCovered ? [] : [place]
    })
  )
  if (visible.some(({ bind }) => isWithin(guest, bind.target))) places.push(guest)
  return {
    binds: visible.map(({ bind }) => bind),
    refused: binds.filter(isOurs).map(({ bind }) => bind),
    hidden: [...new Set(places)].toSorted().filter((place, _, all) =>
      !all.some((other) => other !== place && isWithin(place, other))
    )
  }
}

/** Directories of ours on a host, whether or not they are there. */
export const ownDirectories = (
  host: Host["Service"],
  image: string,
  directories: Directories,
  data: string
): ReadonlyArray<string> => {
  const home = host.environment["HOME"]
  const homes = [
    ["XDG_CACHE_HOME", ".cache"],
    ["XDG_CONFIG_HOME", ".config"],
    ["XDG_DATA_HOME", ".local/share"]
  ].flatMap(([name = "", usual]) => {
    const chosen = host.environment[name]
    // Also the usual one: another start may have other variables.
    return [chosen, home === undefined ? undefined : `${home}/${usual}`].flatMap((directory) =>
      directory?.startsWith("/") === true ? [`${directory}/flatimage`] : []
    )
  })
  return [
    directories.global,
    data,
    chosenData(host) ?? `${dirname(image)}/.${basename(image)}.data`,
    `${dirname(image)}/.${basename(image)}.unfinished`,
    ...homes
  ]
}

/**
 * The same as {@link hide} for paths of this host. Directories that are not there yet are not hidden. Logs each bind that is
 * left out.
 */
export const hideOwn = Effect.fn("Hidden.hideOwn")(function*(
  fs: FileSystem.FileSystem,
  { binds, guest, ours }: {
    readonly binds: ReadonlyArray<Bind>
    readonly ours: ReadonlyArray<string>
    readonly guest: string
  }
) {
  if (binds.length === 0) return { binds, hidden: [] }
  const realPath = (path: string) => Effect.orElseSucceed(fs.realPath(path), () => undefined)
  const [sources, own] = yield* Effect.all([
    Effect.forEach(binds, ({ source }) => realPath(source), { concurrency: "unbounded" }),
    Effect.forEach(ours, realPath, { concurrency: "unbounded" })
  ], { concurrency: "unbounded" })
  const there = [...new Set(own.filter((path) => path !== undefined))]
  const shown = hide(binds.map((bind, index) => ({ bind, real: sources[index] })), there, guest)
  for (const { source, target } of shown.refused) {
    yield* Effect.logWarning(
      `'${source}' is not bound to '${target}': it is in a directory of flatimage, which guests do not get`
    )
  }
  return shown
})
