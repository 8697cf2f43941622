/** Optional programs of the host. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"

/**
 * Runs a program without output, and waits for its end, at most `patience`. A host may not have it; the result is only
 * logged for debugging.
 */
export const runUnheard = (
  spawner: ChildProcessSpawner.ChildProcessSpawner["Service"],
  program: string,
  words: ReadonlyArray<string>,
  patience: Duration.Input
): Effect.Effect<void> =>
  spawner.exitCode(ChildProcess.make(program, words, {
    detached: false,
    extendEnv: true,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore"
  })).pipe(
    Effect.timeout(patience),
    Effect.flatMap((code) => Effect.logDebug(`${program} ended with ${code}`)),
    Effect.catch((error) => Effect.logDebug(`${program} did not run: ${error.message}`))
  )
