/** Fonts and icon themes of the host for a guest with a display, read-only, so that its windows look like the others. */
import * as Effect from "effect/Effect"
import type { Looks } from "./HostParts.ts"
import type { HostReader } from "./HostReader.ts"

type Environment = Readonly<Record<string, string | undefined>>

/** More places than this are no desktop's. */
const placesLimit = 32

const isPath = (path: string | undefined): path is string => path?.startsWith("/") === true && !/[\0\n]/.test(path)

/** Directories of the caller's data, in which programs search subdirectories. */
const dataPlaces = (environment: Environment): ReadonlyArray<string> => {
  const home = environment["HOME"]
  const own = environment["XDG_DATA_HOME"] ?? (home === undefined ? undefined : `${home}/.local/share`)
  const shared = environment["XDG_DATA_DIRS"] || "/usr/local/share:/usr/share"
  return [...new Set([own, ...shared.split(":"), "/usr/local/share", "/usr/share"])].filter(isPath)
    .map((path) => path.replace(/(?<=.)\/+$/, "")).slice(0, placesLimit)
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const fontSettings = (directories: ReadonlyArray<string>): string =>
  [
    "<?xml version=\"1.0\"?>",
    "<!DOCTYPE fontconfig SYSTEM \"urn:fontconfig:fonts.dtd\">",
    "<fontconfig>",
    "  <include ignore_missing=\"yes\">/etc/fonts/fonts.conf</include>",
    ...directories.map((directory) => `  <dir>${escaped(directory)}</dir>`),
    "</fontconfig>",
    ""
  ].join("\n")

/**
 * Finds them.
 *
 * @param host reads files of the host
 * @param environment the caller's
 * @param runtimeHost where the guest has files of the host
 */
export const findLooks = Effect.fn("Looks.findLooks")(function*(
  host: HostReader,
  environment: Environment,
  runtimeHost: string
) {
  const home = environment["HOME"]
  const places = dataPlaces(environment)
  const inHome = (name: string) => isPath(home) ? [`${home}/${name}`] : []
  const present = Effect.fnUntraced(function*(paths: ReadonlyArray<string>) {
    const found: Array<readonly [path: string, source: string]> = []
    for (const path of paths) {
      const source = yield* host.behind(path, "Directory")
      // A link must not show the home directory, or what is above it.
      if (source === undefined || source === "/" || `${home}/`.startsWith(`${source}/`)) continue
      found.push([path, source])
    }
    return found
  })
  const fonts = yield* present([...inHome(".fonts"), ...places.map((place) => `${place}/fonts`)])
  const icons = yield* present([...inHome(".icons"), ...places.map((place) => `${place}/icons`)])
  const inGuest = ([path]: readonly [string, string]) => `${runtimeHost}${path}`
  const themes = icons.filter(([path]) => path.endsWith("/icons")).map(([path]) =>
    `${runtimeHost}${path.slice(0, -"/icons".length)}`
  )
  return {
    binds: [...fonts, ...icons].map((entry) => ["ro", entry[1], inGuest(entry)] as const),
    search: icons.length === 0 ? {} : {
      ...(themes.length === 0 ? {} : { XDG_DATA_DIRS: { usual: "/usr/local/share:/usr/share", more: themes } }),
      XCURSOR_PATH: {
        usual: "~/.local/share/icons:~/.icons:/usr/share/icons:/usr/share/pixmaps",
        more: icons.map(inGuest)
      }
    },
    fontSettings: fonts.length === 0 ? undefined : fontSettings(fonts.map(inGuest))
  } satisfies Looks
})
