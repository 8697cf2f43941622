/**
 * Turns the changes of the guest into a layer. The layer is read back and compared before it is published. Only what is
 * published is removed from the upper directory. Until then nothing is changed, even after a failure.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { runFilesystem } from "../../image/SettingsRun.ts"
import * as LayerStack from "../../mount/LayerStack.ts"
import { Host } from "../../relocate/Host.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { examineBy } from "../../relocate/TrustedDirectory.ts"
import { CommandError } from "../config/CommandError.ts"
import { openCommit } from "./CommitSession.ts"
import { announceGathering, ownedByRoot, pack, packForTrial } from "./Create.ts"
import { nextLayer, publish } from "./Managed.ts"
import { listReads } from "./OrderByRun.ts"
import { describeLeftOut, packageCaches } from "./PackageCaches.ts"

type CommitTarget =
  | { readonly _tag: "binary" }
  | { readonly _tag: "layer" }
  | { readonly _tag: "file"; readonly path: string }

const failed = (error: { readonly message: string }) =>
  new CommandError({ text: error.message, context: "Could not commit", cause: error })

/** Decides where the layer goes. `store` of the result puts it there; `path` is its name in messages. */
const plan = Effect.fnUntraced(function*(target: CommitTarget, data: string, layer: string) {
  const { image } = yield* Relocate
  if (target._tag === "binary") {
    const fs = yield* FileSystem.FileSystem
    // Checked before the layer is packed, which may take long.
    yield* fs.access(image, { writable: true }).pipe(
      Effect.mapError(() =>
        new CommandError({
          text: `'${image}' is read-only`,
          hint: "Make the file and its file system writable, or keep the changes beside it: fim-layer commit layer",
          context: "Could not commit"
        })
      )
    )
    const reserved = yield* ReservedSpace
    return {
      path: image,
      store: reserved.append(layer),
      messages: ["Filesystem appended to binary without errors"]
    }
  }
  if (target._tag === "file") {
    const fs = yield* FileSystem.FileSystem
    if (yield* Effect.orElseSucceed(fs.exists(target.path), () => false)) {
      return yield* failed({ message: "Destination file already exists" })
    }
    return { path: target.path, store: publish(layer, target.path), messages: [`Layer saved to '${target.path}'`] }
  }
  const { number, path } = yield* nextLayer(`${data}/layers`)
  return {
    path,
    store: publish(layer, path),
    messages: [`Layer number: ${number}`, `Layer path: ${path}`, `Layer saved to '${path}'`]
  }
})

interface CommitOptions {
  readonly "keep-caches": boolean
  readonly "order-by-run": string | undefined
}

const commit = Effect.fn("fim-layer.commit")(function*(target: CommitTarget, options: CommitOptions) {
  const relocate = yield* Relocate
  const reserved = yield* ReservedSpace
  const host = yield* Host
  const program = `${relocate.directories.bin}/fim`
  const extension = yield* reserved.read("extension")
  const data = yield* relocate.data(extension, yield* examineBy(program)).pipe(
    Effect.mapError(failed)
  )
  const session = yield* openCommit(data, program)
  const planned = yield* plan(target, data, session.layer)
  const stack = yield* LayerStack.collect(data, extension.distribution).pipe(Effect.mapError(failed))
  const { overlay } = runFilesystem(
    { overlay: yield* reserved.read("overlay"), casefold: yield* reserved.read("casefold") },
    host.environment
  )
  const { entries, leftOut } = yield* session.stage({
    layers: stack.layers,
    below: target._tag === "binary" ? stack.embedded : stack.layers.length,
    overlay,
    without: options["keep-caches"] ? [] : packageCaches
  })
  yield* Effect.forEach(leftOut, (one) => Effect.logInfo(describeLeftOut(one)), { discard: true })
  if (leftOut.length > 0) {
    yield* Effect.logInfo("What is left out stays in the writable tree; --keep-caches commits it too")
  }
  if (entries === 0) return yield* failed({ message: `there is nothing to commit in '${data}/data'` })
  yield* announceGathering
  const { layer, scratch, tree, whiteout } = session
  const order = options["order-by-run"]
  const first = order === undefined ? undefined : yield* Effect.andThen(
    packForTrial(tree, layer, { whiteout }),
    listReads({
      command: order,
      layers: [...stack.layers.slice(stack.embedded).map(({ path }) => path), layer],
      number: stack.layers.length,
      scratch
    })
  )
  yield* pack(tree, layer, planned.path, { whiteout, first })
  yield* session.verify(session.layer, yield* ownedByRoot)
  yield* planned.store
  yield* Effect.forEach(planned.messages, (line) => Effect.logInfo(line), { discard: true })
  const left = yield* session.erase
  yield* Effect.forEach(left, (line) => Effect.logWarning(line), { discard: true })
  yield* Effect.logInfo("Finished erasing files")
}, Effect.scoped)

export const commitBinary = (options: CommitOptions) => commit({ _tag: "binary" }, options)
export const commitLayer = (options: CommitOptions) => commit({ _tag: "layer" }, options)
export const commitFile = ({ path, ...options }: CommitOptions & { readonly path: string }) =>
  commit({ _tag: "file", path }, options)
