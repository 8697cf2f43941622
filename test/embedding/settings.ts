/**
 * Grants a permission to many images at once, and prints what each of them is set to.
 *
 *     node test/embedding/settings.ts FIM IMAGE...
 *
 * FIM is the native program of flatimage, which writes into images: `build/native/fim` of a checkout, or `bin/fim` of the
 * application directory of any image.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { openImage } from "flatimage/ImageFile"
import * as NodePlatform from "flatimage/NodePlatform"
import { ReservedSpace } from "flatimage/ReservedSpace"

const [patcher = "", ...images] = process.argv.slice(2)

const grant = Effect.gen(function*() {
  const reserved = yield* ReservedSpace
  yield* reserved.update("permissions", (permissions) => [...new Set([...permissions, "network" as const])].sort())
  const { settings } = yield* reserved.snapshot
  return settings
})

const program = Effect.forEach(
  images,
  Effect.fnUntraced(function*(path) {
    const { offset } = yield* openImage(path)
    const settings = yield* Effect.provide(grant, ReservedSpace.layer({ path, offset, patcher }))
    yield* Console.log(`${path}: ${settings.permissions.join(",")} ${settings.boot.program}`)
  }),
  { concurrency: "unbounded", discard: true }
)

NodeRuntime.runMain(program.pipe(Effect.provide(Layer.merge(NodeServices.layer, NodePlatform.layer))))
