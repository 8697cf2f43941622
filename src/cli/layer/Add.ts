import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { CommandError } from "../config/CommandError.ts"

/** Appends a layer to the image. */
export const addLayer = Effect.fn("fim-layer.add")(function*({ file }: { readonly file: string }) {
  const fs = yield* FileSystem.FileSystem
  const failed = (detail: string) =>
    new CommandError({ text: `Failed to open input file '${file}'`, hint: detail, context: "Could not add the layer" })
  yield* Effect.scoped(fs.open(file)).pipe(Effect.mapError((error) => failed(error.message)))
  const info = yield* fs.stat(file).pipe(Effect.mapError((error) => failed(error.message)))
  if (info.type !== "File") return yield* failed("it is not a regular file")
  const reserved = yield* ReservedSpace
  yield* reserved.append(file)
  yield* Effect.logInfo(`Included novel layer from file '${file}'`)
})
