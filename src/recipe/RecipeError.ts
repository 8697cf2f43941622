import * as Data from "effect/Data"

/** Why a recipe cannot be fetched or used. */
export class RecipeError extends Data.TaggedError("RecipeError")<{
  /**
   * `Remote`: there is no place to fetch from. `Fetch`: it could not be got from there. `Content`: what is there is no recipe.
   * `Missing`: the cache does not have it. `Cycle`: it depends on itself. `Limit`: it takes too much. `Files`: the cache
   * cannot be read or written.
   */
  readonly reason: "Remote" | "Fetch" | "Content" | "Missing" | "Cycle" | "Limit" | "Files"
  readonly detail: string
  /** What is wrong in particular, or what to do. */
  readonly hint?: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** Turns a failure into `Files`, with the path that it was about. */
export const filesError = (path: string) => (error: { readonly message: string }): RecipeError =>
  new RecipeError({ reason: "Files", detail: `'${path}': ${error.message}` })
