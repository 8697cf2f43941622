import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Bind } from "./Arguments.ts"
import type { Granted } from "./Permissions.ts"

/** A bind whose source is there. */
export interface SourceBind extends Bind {
  readonly isDirectory: boolean
}

/**
 * What of the host the permissions and the binds of the settings mean and the caller can reach, permissions first. What is not
 * there, or behind a directory, a file or a link that lets nobody through, is left out and a line of the log each: bubblewrap passes
 * over the first alone, and ends at the others.
 */
export const reachable = Effect.fn("Sources.reachable")(function*(
  fs: FileSystem.FileSystem,
  granted: Granted,
  bindings: ReadonlyArray<Bind>
) {
  for (const { permission, reason } of granted.lacks) yield* Effect.logDebug(`Permission ${permission}: ${reason}`)
  const wanted: ReadonlyArray<readonly [who: string, bind: Bind]> = [
    ...granted.binds.map((bind) => [`Permission ${bind.permission}`, bind] as const),
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
    if (info?._tag === "Some") binds.push({ ...bind, isDirectory: info.value.type === "Directory" })
    else yield* Effect.logDebug(`${who}: the host has no '${bind.source}'`)
  }
  return binds
})
