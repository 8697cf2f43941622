import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { dataCandidates } from "./Directories.ts"
import { Host } from "./Host.ts"
import { Relocate } from "./Relocate.ts"

/** The data directory with this room in it, if there is one: to look is no reason to make it. */
export const existingData = Effect.fnUntraced(function*(room: "layers" | "recipes") {
  const fs = yield* FileSystem.FileSystem
  const { image } = yield* Relocate
  for (const candidate of dataCandidates(yield* Host, image)) {
    if (yield* Effect.orElseSucceed(fs.exists(`${candidate}/${room}`), () => false)) return candidate
  }
  return undefined
})
