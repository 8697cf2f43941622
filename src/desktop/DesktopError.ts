import * as Data from "effect/Data"

/** Why an image cannot be part of a desktop. */
export class DesktopError extends Data.TaggedError("DesktopError")<{
  /**
   * `Name`, `Category`: none that a desktop may have. `Icon`: not a picture that can be used. `Fetch`: it could not be
   * got from where it is. `Files`: the desktop's own files cannot be read or written.
   */
  readonly reason: "Name" | "Category" | "Icon" | "Fetch" | "Files"
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** Turns a failure into `Files`, with the path that it was about. */
export const filesError = (path: string) => (error: { readonly message: string }): DesktopError =>
  new DesktopError({ reason: "Files", detail: `'${path}': ${error.message}` })
