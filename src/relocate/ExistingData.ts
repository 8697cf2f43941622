import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { Identified } from "../image/Identity.ts"
import { presentData } from "./DataDirectory.ts"
import { Host } from "./Host.ts"
import { Relocate, RelocateError } from "./Relocate.ts"
import { examineBy } from "./TrustedDirectory.ts"

/**
 * The data directory, if it exists and contains this subdirectory. Reading does not create it. Fails where a start would.
 */
export const existingData = Effect.fnUntraced(function*(subdirectory: "layers" | "recipes", identified: Identified) {
  const fs = yield* FileSystem.FileSystem
  const { directories, image } = yield* Relocate
  const examine = yield* examineBy(`${directories.bin}/fim`)
  const data = yield* presentData(yield* Host, image, identified, examine).pipe(
    Effect.mapError((detail) => new RelocateError({ reason: "DataDirectory", detail }))
  )
  if (data === undefined) return undefined
  return (yield* Effect.orElseSucceed(fs.exists(`${data}/${subdirectory}`), () => false)) ? data : undefined
})
