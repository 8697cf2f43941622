import * as Schema from "effect/Schema"

export class BenchError extends Schema.TaggedError<BenchError>()("BenchError", {
  /** `Failed`: a program that is measured did not do what it should. `Missing`: something to measure with is not there. */
  reason: Schema.Literals(["Failed", "Missing"]),
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}
