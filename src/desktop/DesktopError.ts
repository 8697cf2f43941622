import * as Data from "effect/Data"

/** Why an image cannot be integrated into a desktop. */
export class DesktopError extends Data.TaggedError("DesktopError")<{
  /**
   * `Name`, `Category`: not valid on a desktop. `Icon`: not a usable picture. `Fetch`: the picture could not be fetched.
   * `Files`: the desktop's files cannot be read or written.
   */
  readonly reason: "Name" | "Category" | "Icon" | "Fetch" | "Files"
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}

/** Converts a failure to `Files`, with its path. */
export const filesError = (path: string) => (error: { readonly message: string }): DesktopError =>
  new DesktopError({ reason: "Files", detail: `'${path}': ${error.message}`, cause: error })
