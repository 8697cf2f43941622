/**
 * Removes the uppermost layers from the image. Each layer is saved to a file beside the image, synced and read back, before
 * the image without them replaces the old one.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type { Rewriting } from "../../image/LayerRewriter.ts"
import type { Layer } from "../../image/Layers.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { NativeBytes } from "../../platform/NativeBytes.ts"
import { CommandError } from "../config/CommandError.ts"
import { publish } from "./Managed.ts"

const failed = (text: string, hint?: string) =>
  new CommandError({ text, context: "Could not roll back", ...(hint === undefined ? {} : { hint }) })

const unreadable = (error: PlatformError) => failed(error.message)

const pieceSize = 1 << 20

/** Whether an existing file has the content of the layer: a killed rollback may have left it. */
const holds = Effect.fnUntraced(function*(image: string, layer: Layer, path: string) {
  const fs = yield* FileSystem.FileSystem
  const native = yield* NativeBytes
  const info = yield* fs.stat(path)
  if (info.type !== "File" || Number(info.size) !== layer.size) return false
  const [from, to] = yield* Effect.all([fs.open(image), fs.open(path)])
  const [left, right] = [new Uint8Array(pieceSize), new Uint8Array(pieceSize)]
  for (let done = 0; done < layer.size;) {
    const length = Math.min(pieceSize, layer.size - done)
    const one = yield* from.read(left.subarray(0, length), { position: BigInt(layer.offset + done) })
    const other = yield* to.read(right.subarray(0, one), { position: BigInt(done) })
    if (one === 0 || one !== other || !native.equal(left.subarray(0, one), right.subarray(0, one))) return false
    done += one
  }
  return true
}, Effect.scoped)

/** The file to which a layer is saved, and whether it already exists. Fails if another file has that name. */
const target = Effect.fnUntraced(function*(image: Rewriting, layer: Layer) {
  const fs = yield* FileSystem.FileSystem
  const path = `${image.path}.${layer.index}.layer`
  const isThere = yield* fs.exists(path).pipe(Effect.mapError(unreadable))
  if (isThere && !(yield* holds(image.path, layer, path).pipe(Effect.mapError(unreadable)))) {
    return yield* failed(
      `Layer ${layer.index} has no place: '${path}' is another file`,
      "Move it away, then roll back again"
    )
  }
  return { layer, path, isThere }
})

/** Saves one layer. The file is removed if a later step fails. */
const save = Effect.fnUntraced(
  function*(image: Rewriting, { isThere, layer, path }: Effect.Success<ReturnType<typeof target>>) {
    if (isThere) return
    const fs = yield* FileSystem.FileSystem
    const copy = `${image.scratch}/${layer.index}`
    yield* image.exportLayer(layer, copy)
    yield* Effect.acquireRelease(
      publish(copy, path),
      (_, exit) => Exit.isSuccess(exit) ? Effect.void : Effect.ignore(fs.remove(path, { force: true }), { log: true })
    )
  }
)

/** Removes the last `n` layers from the image, 1 by default. The lowest layer always stays. */
export const rollback = Effect.fn("fim-layer.rollback")(function*({ n = "1" }: { readonly n: string | undefined }) {
  const count = Number(n)
  const reserved = yield* ReservedSpace
  const saved = yield* reserved.rewrite(Effect.fnUntraced(function*(image) {
    const kept = image.layers.length - count
    if (kept < 1) {
      return yield* failed(
        `Cannot take ${count} of ${image.layers.length} layers out: the lowest one, which holds the system, stays`
      )
    }
    const targets = yield* Effect.forEach(image.layers.slice(kept), (layer) => target(image, layer))
    yield* Effect.forEach(targets, (one) => save(image, one), { discard: true })
    yield* image.replace(yield* image.rebuild(kept))
    return targets
  }, Effect.scoped))
  yield* Effect.forEach(saved, ({ layer, path }) => Effect.logInfo(`Layer ${layer.index} saved to '${path}'`), {
    discard: true
  })
  yield* Effect.logInfo(`Layers left in the image: ${saved[0]?.layer.index}`)
})
