import * as Schema from "effect/Schema"

/** Why a test cannot go on. */
export class Failure extends Schema.TaggedError<Failure>()("Failure", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}
