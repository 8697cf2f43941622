import * as Data from "effect/Data"

/** Why a test cannot go on. */
export class Failure extends Data.TaggedError("Failure")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}
