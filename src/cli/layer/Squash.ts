/**
 * Merges several layers into one. The new layer is read back and compared with the old ones before the new image replaces
 * the old one.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { CommandError } from "../config/CommandError.ts"
import { announceGathering, withMessages } from "./Create.ts"
import { packMerged, verifyMerged } from "./Merge.ts"

const failed = (text: string) => new CommandError({ text, context: "Could not merge the layers" })

/** Merges the last `n` layers of the image; all of them by default. */
export const squash = Effect.fn("fim-layer.squash")(function*({ n }: { readonly n: string | undefined }) {
  const count = n === undefined ? undefined : Number(n)
  const fs = yield* FileSystem.FileSystem
  const reserved = yield* ReservedSpace
  const { bin } = (yield* Relocate).directories
  const programs = { fim: `${bin}/fim`, mkdwarfs: `${bin}/mkdwarfs` }
  const message = yield* reserved.rewrite(Effect.fnUntraced(function*(image) {
    const all = image.layers.length
    if (all < 2) return yield* failed(`there is nothing to merge in '${image.path}': it has ${all} layer`)
    const below = all - (count ?? all)
    if (below < 0) return yield* failed(`Cannot merge ${count} layers: the image has ${all}`)
    const merged = { layers: image.layers.map(({ offset, size }) => ({ path: image.path, offset, size })), below }
    const layer = `${image.scratch}/layer`
    yield* announceGathering
    yield* withMessages("-", layer, image.path, (args) => packMerged(programs, merged, args))
    const size = Number((yield* fs.stat(layer).pipe(Effect.mapError((error) => failed(error.message)))).size)
    const rebuilt = yield* image.rebuild(below, layer)
    yield* verifyMerged(programs, merged, { path: rebuilt.path, offset: rebuilt.offset, size })
    yield* image.replace(rebuilt)
    const before = merged.layers.slice(below).reduce((sum, place) => sum + place.size, 0)
    return `Layers ${below} to ${all - 1} of ${before} bytes are now layer ${below} of ${size} bytes`
  }))
  yield* Effect.logInfo(message)
})
