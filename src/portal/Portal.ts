import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Janitor } from "../mount/Janitor.ts"
import { Relocate } from "../relocate/Relocate.ts"

export class PortalError extends Schema.TaggedError<PortalError>()("PortalError", {
  reason: Schema.Literals(["Fifo"]),
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * The FIFOs through which host and guest ask each other to run commands. They are made with mode 0600 in the instance
 * directory, which only the caller can enter.
 */
export class Portal extends Context.Service<Portal, {
  /** The directory that the guest sees, an absolute path. */
  readonly directory: string
  /** Requests to the host are written here. */
  readonly host: string
  /** Requests to the guest are written here. */
  readonly guest: string
}>()("flatimage/portal/Portal") {
  static readonly layer: Layer.Layer<Portal, PortalError, Janitor | Relocate> = Layer.effect(
    Portal,
    Effect.gen(function*() {
      const { directories } = yield* Relocate
      const janitor = yield* Janitor
      const fifos = ["portal/daemon/host.fifo", "portal/daemon/guest.fifo"] as const
      // Released with the directory of the instance, which the janitor removes as a whole.
      yield* janitor.makeFifos(fifos).pipe(
        Effect.mapError((error) => new PortalError({ reason: "Fifo", detail: error.message }))
      )
      return Portal.of({
        directory: `${directories.instance}/portal`,
        host: `${directories.instance}/${fifos[0]}`,
        guest: `${directories.instance}/${fifos[1]}`
      })
    })
  )
}
