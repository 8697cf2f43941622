/** Lists the layers of a run, lowest first. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { LayerPlace } from "../../mount/LayerPlace.ts"
import * as LayerStack from "../../mount/LayerStack.ts"
import { existingData } from "../../relocate/ExistingData.ts"
import { CommandError } from "../config/CommandError.ts"
import { columns, printJson, printLines } from "../config/Output.ts"

interface Listed extends LayerPlace {
  readonly index: number
  /** The place of the layer: the image, FIM_LAYERS or the data directory. */
  readonly origin: "image" | "FIM_LAYERS" | "data"
}

/** Numbers the layers of a run and adds where each is from. */
export const numbered = (stack: LayerStack.Stack): ReadonlyArray<Listed> =>
  stack.layers.map(({ offset, path, size }, index) => ({
    index,
    offset,
    size,
    path,
    origin: index < stack.embedded ? "image" : index < stack.embedded + stack.listed ? "FIM_LAYERS" : "data"
  }))

/** The lines that the command prints. */
export const lines = (layers: ReadonlyArray<Listed>, form: "short" | "long"): ReadonlyArray<string> =>
  form === "short"
    ? layers.map(({ index, offset, path, size }) => `${index}:${offset}:${size}:${path}`)
    : columns([
      ["INDEX", "FROM", "OFFSET", "SIZE", "PATH"],
      ...layers.map(({ index, offset, origin, path, size }) => [
        String(index),
        origin,
        String(offset),
        String(size),
        path
      ])
    ])

export const list = Effect.fn("fim-layer.list")(function*(
  { json, long }: { readonly json: boolean; readonly long: boolean }
) {
  const extension = yield* (yield* ReservedSpace).read("extension")
  const stack = yield* existingData("layers", extension).pipe(
    Effect.flatMap((data) => LayerStack.collect(data, extension.distribution)),
    Effect.mapError((error) =>
      new CommandError({ text: error.message, context: "Could not list the layers", cause: error })
    )
  )
  const layers = numbered(stack)
  yield* json ? printJson(layers) : printLines(lines(layers, long ? "long" : "short"))
})
