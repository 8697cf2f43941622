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

/** An instance of the caller that runs, or a driver whose layers stay mounted for so many seconds more. */
interface Listed {
  readonly index: number
  readonly pid: number
  readonly lingering?: number
}

/** A line of `fim instances`. */
const parse = (line: string, index: number): Listed => {
  const [pid = Number.NaN, lingering] = line.split(" ").map((number) => Number.parseInt(number, 10))
  return { index, pid, ...(lingering === undefined ? {} : { lingering }) }
}

/** The running instances of the caller, and then the layers that linger, in the order of their indices. */
const running = Effect.fnUntraced(
  function*() {
    const { directories } = yield* Relocate
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const command = ChildProcess.make(`${directories.bin}/fim`, ["instances", directories.instances], {
      detached: false,
      env: {}
    })
    return (yield* spawner.string(command)).split("\n").filter((line) => line !== "").map(parse)
  },
  Effect.mapError((error) =>
    new CommandError({ text: error.message, context: "Could not list the instances", cause: error })
  )
)

export const list = Effect.fn("fim-instance.list")(function*({ json }: { readonly json: boolean }) {
  const instances = yield* running()
  yield* json
    ? printJson(instances)
    : printLines(
      instances.map(({ index, lingering, pid }) =>
        `${index}:${pid}${lingering === undefined ? "" : ` layers stay mounted for ${lingering} s`}`
      )
    )
})

const failed = (text: string) => new CommandError({ text, context: "Could not stop an instance" })

/** Asks an instance to end, and waits until it has. In: its index. */
export const stop = Effect.fn("fim-instance.stop")(function*({ id }: { readonly id: string }) {
  const { directories } = yield* Relocate
  const words = ["instances", directories.instances, "--stop", id]
  const refusal = yield* ChildProcessSpawner.ChildProcessSpawner.pipe(
    Effect.flatMap((spawner) =>
      spawner.string(ChildProcess.make(`${directories.bin}/fim`, words, { detached: false, env: {} }))
    ),
    Effect.mapError((error) => failed(error.message))
  )
  if (refusal !== "") return yield* failed(refusal.trim())
})
