/** The image that runs, and the settings inside it: all that a command about settings needs. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ReservedSpace } from "./image/ReservedSpace.ts"
import { Relocate } from "./relocate/Relocate.ts"

const reservedSpace = Layer.unwrap(
  Effect.map(
    Relocate,
    (relocate) =>
      ReservedSpace.layer({
        path: relocate.image,
        offset: relocate.reservedOffset,
        patcher: `${relocate.directories.bin}/fim`
      })
  )
)

/** Where the image is and what it is set to. */
export const settingsLayer = reservedSpace.pipe(Layer.provideMerge(Relocate.layer))
