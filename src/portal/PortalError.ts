import * as Data from "effect/Data"

/** The portal could not be started. */
export class PortalError extends Data.TaggedError("PortalError")<{
  /**
   * `Fifo`: the directory could not be prepared. `Daemon`: the process that runs commands on the host could not be started.
   */

  readonly reason: "Fifo" | "Daemon"
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}
