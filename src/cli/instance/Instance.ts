/**
 * fim-instance: the instances that run. `exec` is not here: the launcher hands its words to the native program, which needs
 * no runtime and so costs little more than the command itself.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { Relocate } from "../../relocate/Relocate.ts"
import { CommandError, trailingError, usageError } from "../config/CommandError.ts"
import { printJson, printLines } from "../config/Output.ts"
import { parseWords } from "../config/Words.ts"

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

/** The command. In: the words behind its name. */
export const instance = Effect.fn("fim-instance")(function*(args: ReadonlyArray<string>) {
  const { json, operation, rest } = parseWords(args)
  switch (operation) {
    case undefined:
      return yield* usageError("Missing op for 'fim-instance' (<exec|list>)")
    case "LIST": {
      if (rest.length > 0) return yield* trailingError("fim-instance", rest)
      const instances = (yield* running()).map((name, index) => ({ index, pid: Number.parseInt(name, 10) }))
      return yield* json
        ? printJson(instances)
        : printLines(instances.map(({ index, pid }) => `${index}:${pid}`))
    }
    default:
      return yield* usageError("Invalid instance operation")
  }
})
