import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Bind } from "./Arguments.ts"
import type { Granted } from "./Permissions.ts"

/**
 * Says what of the host the permissions and the binds of the settings mean that is not there; the sandbox is made without it.
 * Only for whoever asks: it looks at each file, which bubblewrap does anyway.
 */
export const reportMissing = Effect.fn("Missing.reportMissing")(function*(
  fs: FileSystem.FileSystem,
  granted: Granted,
  bindings: ReadonlyArray<Bind>
) {
  for (const { permission, reason } of granted.lacks) yield* Effect.logDebug(`Permission ${permission}: ${reason}`)
  const named = [
    ...granted.binds.map(({ permission, source }) => ({ who: `Permission ${permission}`, source })),
    ...bindings.map(({ source }) => ({ who: "fim-bind", source }))
  ]
  const there = yield* Effect.forEach(
    named,
    ({ source }) => Effect.orElseSucceed(fs.exists(source), () => false),
    { concurrency: 16 }
  )
  for (const [index, { source, who }] of named.entries()) {
    if (there[index] === false) yield* Effect.logDebug(`${who}: the host has no '${source}'`)
  }
})
