import * as Data from "effect/Data"

export class BenchError extends Data.TaggedError("BenchError")<{
  /** `Failed`: a program that is measured did not do what it should. `Missing`: something to measure with is not there. */
  readonly reason: "Failed" | "Missing"
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}
