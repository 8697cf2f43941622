/** Renames a data directory with `fim adopt`, which holds its lock meanwhile. */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"

/**
 * Renames a data directory.
 *
 * @param fim path of `fim`
 * @param from the present path
 * @param to the new path
 * @returns `renamed`, `taken`, `gone`, or another text if the directory has to stay where it is
 */
export const renameData = Effect.fnUntraced(function*(fim: string, from: string, to: string) {
  const spawner = yield* ChildProcessSpawner
  const command = ChildProcess.make(fim, ["adopt", from, to], { detached: false, stderr: "ignore" })
  const text = yield* spawner.string(command).pipe(Effect.orElseSucceed(() => "failed"))
  return text.trim()
})
