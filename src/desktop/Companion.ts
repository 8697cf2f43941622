/** The desktop integration of a start, which runs beside the program. Loaded only if an image has it enabled. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Desktop } from "../image/Settings.ts"
import { Relocate } from "../relocate/Relocate.ts"
import { DesktopImage } from "./DesktopImage.ts"
import { DesktopIntegration } from "./Integration.ts"
import { announce } from "./Notification.ts"

/** How long the end of a program waits for the desktop integration. */
const timeout = "60 seconds"

/**
 * Updates the files of the desktop and announces the start. Never fails, because the program also runs without.
 *
 * @param desktop the stored integration
 * @param notify whether to announce the start
 */
export const join = Effect.fn("Companion.join")(
  function*(desktop: Desktop, notify: boolean) {
    const { directories, image } = yield* Relocate
    const integration = DesktopIntegration.layer.pipe(
      Layer.provide(Layer.succeed(DesktopImage, { path: image, fim: `${directories.bin}/fim` }))
    )
    const refresh = Effect.gen(function*() {
      const context = yield* Layer.build(integration)
      return yield* Effect.provideContext(DesktopIntegration, context).pipe(
        Effect.flatMap((service) => service.refresh(desktop))
      )
    }).pipe(
      Effect.catch((error) =>
        Effect.as(Effect.logWarning(`The desktop does not show this image: ${error.message}`), undefined)
      )
    )
    const identity = desktop.integrations.length === 0 ? undefined : yield* refresh
    if (notify) yield* announce(desktop.name, identity)
  },
  Effect.scoped,
  Effect.timeout(timeout),
  Effect.ignore({ log: "Warn" })
)
