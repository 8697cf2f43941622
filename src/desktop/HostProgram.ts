/** Optional programs of the host. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"

/**
 * Runs a program of the host without output, and waits for its end, at most `timeout`. The host may not have it. The result
 * is only logged for debugging.
 */
export const runSilently = (
  spawner: ChildProcessSpawner.ChildProcessSpawner["Service"],
  program: string,
  args: ReadonlyArray<string>,
  timeout: Duration.Input
): Effect.Effect<void> =>
  spawner.exitCode(ChildProcess.make(program, args, {
    detached: false,
    extendEnv: true,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore"
  })).pipe(
    Effect.timeout(timeout),
    Effect.flatMap((code) => Effect.logDebug(`${program} ended with ${code}`)),
    Effect.catch((error) => Effect.logDebug(`${program} did not run: ${error.message}`))
  )
