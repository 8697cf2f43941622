/** The image that runs, and the settings inside it: all that a command about settings needs. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { ReservedSpace } from "./image/ReservedSpace.ts"
import type { NativeBytes } from "./platform/NativeBytes.ts"
import { identityKeeper } from "./relocate/Copies.ts"
import { Host } from "./relocate/Host.ts"
import { Relocate } from "./relocate/Relocate.ts"

const reservedSpace = Layer.unwrap(
  Effect.gen(function*() {
    const { directories, image, reservedOffset } = yield* Relocate
    return ReservedSpace.layer({
      path: image,
      offset: reservedOffset,
      patcher: `${directories.bin}/fim`,
      keeper: identityKeeper(yield* Host, image, yield* Effect.context<FileSystem.FileSystem | NativeBytes>())
    })
  })
)

/** Where the image is and what it is set to. */
export const settingsLayer = reservedSpace.pipe(Layer.provideMerge(Relocate.layer))
