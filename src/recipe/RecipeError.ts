import * as Data from "effect/Data"

/** Why a recipe cannot be fetched or used. */
export class RecipeError extends Data.TaggedError("RecipeError")<{
  /**
   * `Remote`: there is no URL of recipes. `Fetch`: it could not be fetched. `Content`: it is not a valid recipe. `Missing`:
   * the cache does not contain it. `Cycle`: it depends on itself. `Limit`: it is too large. `Files`: the cache cannot be
   * read or written.
   */
  readonly reason: "Remote" | "Fetch" | "Content" | "Missing" | "Cycle" | "Limit" | "Files"
  readonly detail: string
  /** Details of the problem, or what to do. */
  readonly hint?: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}

/** Converts a failure to `Files`, with its path. */
export const filesError = (path: string) => (error: { readonly message: string }): RecipeError =>
  new RecipeError({ reason: "Files", detail: `'${path}': ${error.message}`, cause: error })
