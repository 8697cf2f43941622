/** `addVariable.ts IMAGE OFFSET PATCHER NAME [VALUE]`: one of many processes that change one image at once. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ReservedSpace } from "../../src/image/ReservedSpace.ts"
import * as Platform from "../support/Platform.ts"

const [, , path = "", offset = "", patcher = "", name = "", value = "x".repeat(50)] = process.argv

Effect.runPromise(
  ReservedSpace.use((space) => space.update("environment", (current) => ({ ...current, [name]: value }))).pipe(
    Effect.provide(
      ReservedSpace.layer({ path, offset: Number(offset), patcher }).pipe(Layer.provide(Platform.layer))
    )
  )
).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})
