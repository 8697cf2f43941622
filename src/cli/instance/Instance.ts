/**
 * fim-instance: the instances that run. `exec` is not here: the launcher hands its words to the native program, which needs
 * no runtime and so costs little more than the command itself.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { Relocate } from "../../relocate/Relocate.ts"
import { CommandError } from "../config/CommandError.ts"
import { printJson, printLines } from "../config/Output.ts"

/** Names of the running instances of the caller, in the order of their pids. */
const running = Effect.fnUntraced(
  function*() {
    const { directories } = yield* Relocate
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const command = ChildProcess.make(`${directories.bin}/fim`, ["instances", directories.instances], {
      detached: false,
      env: {}
    })
    return (yield* spawner.string(command)).split("\n").filter((name) => name !== "")
  },
  Effect.mapError((error) => new CommandError({ text: error.message, context: "Could not list the instances" }))
)

export const list = Effect.fn("fim-instance.list")(function*({ json }: { readonly json: boolean }) {
  const instances = (yield* running()).map((name, index) => ({ index, pid: Number.parseInt(name, 10) }))
  yield* json
    ? printJson(instances)
    : printLines(instances.map(({ index, pid }) => `${index}:${pid}`))
})
