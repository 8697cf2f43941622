import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { RelocateError } from "./Relocate.ts"

/**
 * Unpacks the runtime and tools of an image, unless they are unpacked already. A `Host` whose environment contains the
 * result can run the image from another program.
 *
 * @param image path of the image
 * @returns the variables that its own boot program would get; fails if the file is not an image, or if its launcher cannot
 *   unpack it
 */
export const unpack = Effect.fn("Unpack.unpack")(function*(image: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const text = yield* spawner.string(ChildProcess.make(image, [], {
    detached: false,
    extendEnv: true,
    env: { FIM_MAIN_ENVIRONMENT: "1" }
  })).pipe(
    Effect.mapError((error) =>
      new RelocateError({ reason: "NotAnImage", detail: `cannot unpack '${image}': ${error.message}`, cause: error })
    )
  )
  const variables: Record<string, string> = {}
  for (const entry of text.split("\0")) {
    const [name, ...value] = entry.split("=")
    if (name !== undefined && name.startsWith("FIM_")) variables[name] = value.join("=")
  }
  if (variables["FIM_DIR_APP"] === undefined) {
    return yield* new RelocateError({
      reason: "NotAnImage",
      detail: `cannot unpack '${image}': it is not an image, or its launcher refused`
    })
  }
  return variables
})
