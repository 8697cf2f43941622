import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Bind } from "./Arguments.ts"
import type { Granted } from "./Permissions.ts"

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
  const there = yield* Effect.forEach(
    wanted,
    ([, { source }]) => Effect.orElseSucceed(fs.exists(source), () => false),
    { concurrency: "unbounded" }
  )
  const binds: Array<Bind> = []
  for (const [index, [who, bind]] of wanted.entries()) {
    if (there[index] === true) binds.push(bind)
    else yield* Effect.logDebug(`${who}: the host has no '${bind.source}'`)
  }
  return binds
})
