import * as Data from "effect/Data"
import type { PlatformError } from "effect/PlatformError"
import type { FieldName } from "./ReservedLayout.ts"
import type { EncodeFailure } from "./SettingsCodec.ts"

/**
 * The reasons. `Damaged`: a field holds invalid bytes. `Busy`: others locked the file for too long. `Layer`: no layer was
 * appended. `Layers`: none was removed or merged.
 */
export type Reason = Data.TaggedEnum<{
  ReadOnly: { readonly detail: string }
  NoRoom: { readonly field: FieldName; readonly bytes: number; readonly fits: number }
  Invalid: { readonly field: FieldName; readonly detail: string }
  Damaged: { readonly field: FieldName; readonly detail: string }
  /** The file has `size` bytes, but the reserved space alone ends at the byte `end`. */
  Truncated: { readonly size: number; readonly end: number }
  Busy: { readonly detail: string }
  Io: { readonly detail: string }
  Layer: { readonly detail: string }
  Layers: { readonly detail: string }
}>
/** Constructors of the reasons. */
export const Reason = Data.taggedEnum<Reason>()

const clearing: Partial<Record<FieldName, string>> = {
  boot: "fim-boot clear",
  environment: "fim-env clear",
  bindings: "fim-bind clear",
  permissions: "fim-perms clear",
  remote: "fim-remote clear",
  unshare: "fim-unshare clear"
}

const describe = (path: string, reason: Reason): string => {
  switch (reason._tag) {
    case "ReadOnly":
      return `Cannot write the settings of '${path}': ${reason.detail}. Make the file and its file system writable, or copy` +
        " the file to a place where you may write"
    case "NoRoom":
      return `Not enough space to fit ${reason.field === "icon" ? "icon" : "json"} data: '${reason.field}' is ` +
        `${reason.bytes} bytes, ${reason.fits} bytes fit`
    case "Invalid":
      return `Invalid value for '${reason.field}': ${reason.detail}`
    case "Damaged":
      return `The field '${reason.field}' of '${path}' is damaged: ${reason.detail}.` +
        (reason.field in clearing ? ` '${clearing[reason.field]}' resets it` : " Setting it again repairs it")
    case "Truncated":
      return `'${path}' has ${reason.size} bytes, and its settings alone end at byte ${reason.end}: it is not a whole image, ` +
        `${reason.end - reason.size} bytes or more are missing`
    case "Busy":
      return `Could not write the settings of '${path}': ${reason.detail}. Try again when fewer programs use it`
    case "Io":
      return `Could not access the settings of '${path}': ${reason.detail}`
    case "Layer":
      return `Could not append a layer to '${path}': ${reason.detail}`
    case "Layers":
      return `Could not change the layers of '${path}': ${reason.detail}`
  }
}

/** Settings that cannot be read or written. `path` is the image. */
export class ReservedSpaceError extends Data.TaggedError("ReservedSpaceError")<{
  readonly path: string
  readonly reason: Reason
  readonly cause?: unknown
}> {
  override get message(): string {
    return describe(this.path, this.reason)
  }
}

/** The error for a value that cannot be stored in the image at `path`. */
export const encodeError = (path: string, failure: EncodeFailure): ReservedSpaceError =>
  new ReservedSpaceError({
    path,
    reason: failure._tag === "NoRoom"
      ? Reason.NoRoom(failure)
      : Reason.Invalid(failure)
  })

/** Converts a file system failure at `path`. */
export const platformError = (path: string) => (error: PlatformError): ReservedSpaceError =>
  new ReservedSpaceError({ path, reason: Reason.Io({ detail: error.message }), cause: error })
