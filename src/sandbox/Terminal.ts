/** The terminal of the caller in the guest: its description comes along where the guest has none. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { usualTerminals } from "./Environment.ts"

/** The largest description that is read. ncurses accepts half of it. */
const entryLimit = 64 * 1024

/** Where programs search for descriptions. */
const places = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo"]

/** A name that is a single file, as ncurses requires too. */
const isName = (name: string): boolean => /^[\w+][\w.+-]{0,126}$/.test(name)

/** Files of a description below a place: in a directory of its first letter, or of the number of that letter. */
const filesOf = (name: string): ReadonlyArray<string> => [
  `${name.slice(0, 1)}/${name}`,
  `${name.charCodeAt(0).toString(16)}/${name}`
]

export interface Terminal {
  readonly name: string
  /** A description of the host for the guest, with its path below a directory of descriptions. */
  readonly entry: { readonly file: string; readonly content: Uint8Array } | undefined
}

/** The directories that the caller's programs search, in their order. */
const hostPlaces = (environment: Readonly<Record<string, string | undefined>>): ReadonlyArray<string> => {
  const home = environment["HOME"]
  return [
    environment["TERMINFO"],
    ...(home === undefined ? [] : [`${home}/.terminfo`]),
    ...(environment["TERMINFO_DIRS"] ?? "").split(":"),
    ...places
  ].filter((place): place is string => place?.startsWith("/") === true)
}

/**
 * The terminal for a guest: the caller's, if the guest or the host describes it, otherwise one that the guest describes.
 *
 * @param fs the host's files
 * @param environment the caller's
 * @param guestHas whether the guest has a regular file
 */
export const terminalOf = Effect.fn("Terminal.terminalOf")(function*(
  fs: FileSystem.FileSystem,
  environment: Readonly<Record<string, string | undefined>>,
  guestHas: (path: string) => Effect.Effect<boolean>
) {
  const describes = (name: string) =>
    Effect.map(
      Effect.all(places.flatMap((place) => filesOf(name).map((file) => guestHas(`${place}/${file}`))), {
        concurrency: "unbounded"
      }),
      (found) => found.includes(true)
    )
  const asked = environment["TERM"] ?? ""
  if (isName(asked)) {
    if (usualTerminals.has(asked) || (yield* describes(asked))) return { name: asked, entry: undefined } as Terminal
    for (const place of hostPlaces(environment)) {
      for (const file of filesOf(asked)) {
        const path = `${place}/${file}`
        const info = yield* Effect.option(fs.stat(path))
        if (info._tag === "None" || info.value.type !== "File" || info.value.size > entryLimit) continue
        const content = yield* Effect.option(fs.readFile(path))
        if (content._tag === "Some" && content.value.length <= entryLimit) {
          return { name: asked, entry: { file: filesOf(asked)[0] ?? asked, content: content.value } } as Terminal
        }
      }
    }
  }
  const name = asked !== "" && (yield* describes("xterm-256color")) ? "xterm-256color" : "xterm"
  return { name, entry: undefined } as Terminal
})

/** Directories of descriptions for a guest that gets one. */
export const terminalPlaces = (own: string): string => [own, ...places].join(":")
