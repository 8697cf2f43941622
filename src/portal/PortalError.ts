import * as Schema from "effect/Schema"

export class PortalError extends Schema.TaggedError<PortalError>()("PortalError", {
  /** `Fifo`: the directory could not be prepared. `Daemon`: what runs commands on the host could not be started. */
  reason: Schema.Literals(["Fifo", "Daemon"]),
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}
