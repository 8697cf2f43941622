import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Bind } from "./Arguments.ts"
import { isHomePlace } from "./Home.ts"
import type { Granted } from "./Permissions.ts"

/** A bind whose source is there. */
export interface SourceBind extends Bind {
  readonly isDirectory: boolean
}

/**
 * What of the host the permissions and the binds of the settings mean and the caller can reach, permissions first. What is not
 * there, or behind a directory, a file or a link that lets nobody through, is left out and a line of the log each: bubblewrap passes
 * over the first alone, and ends at the others. A home that is a link is also bound at the path behind it, under which the caller's
 * programs name files.
 *
 * @param written files of the guest that are made for this run, in place of the host's
 */
export const reachable = Effect.fn("Sources.reachable")(function*(
  fs: FileSystem.FileSystem,
  granted: Granted,
  bindings: ReadonlyArray<Bind>,
  written: ReadonlyArray<string> = []
) {
  for (const { permission, reason } of granted.lacks) yield* Effect.logDebug(`Permission ${permission}: ${reason}`)
  const wanted: ReadonlyArray<readonly [who: string, bind: Bind]> = [
    ...granted.binds.filter(({ target }) => !written.includes(target))
      .map((bind) => [`Permission ${bind.permission}`, bind] as const),
    ...bindings.map((bind) => ["fim-bind", bind] as const)
  ]
  const found = yield* Effect.forEach(
    wanted,
    ([, { source }]) => Effect.option(fs.stat(source)),
    { concurrency: "unbounded" }
  )
  const binds: Array<SourceBind> = []
  for (const [index, [who, bind]] of wanted.entries()) {
    const info = found[index]
    if (info?._tag === "Some") {
      const isDirectory = info.value.type === "Directory"
      const isHome = "permission" in bind && bind.permission === "home"
      if (isHome && !isDirectory) {
        yield* Effect.logDebug(`${who}: '${bind.source}' is not a directory`)
        continue
      }
      binds.push({ ...bind, isDirectory })
      const real = isHome ? yield* Effect.orElseSucceed(fs.realPath(bind.source), () => bind.source) : bind.source
      if (real !== bind.source && isHomePlace(real)) binds.push({ ...bind, source: real, target: real, isDirectory })
    }
    if (info?._tag !== "Some") yield* Effect.logDebug(`${who}: the host has no '${bind.source}'`)
  }
  return binds
})
