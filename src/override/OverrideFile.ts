/** A user's overrides of one image: a file in the config home, outside of the image. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { toJson } from "../image/Json.ts"
import { Binding, Environment, type Settings } from "../image/Settings.ts"
import { permissionNames } from "../image/SettingsDefaults.ts"
import { replaceWith } from "../PartFile.ts"
import type { Shape as Native } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"
import { Host } from "../relocate/Host.ts"

/** Overrides cannot be read or written. */
export class OverrideError extends Data.TaggedError("OverrideError")<{
  readonly reason: "Files" | "Invalid" | "Unsafe"
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

const Permissions = Schema.Array(Schema.Literals(permissionNames))

/** What a user changes about an image, for himself and for every start. */
export const Override = Schema.Struct({
  format: Schema.Literal(1),
  /** SHA-256 of the settings that the image had, see {@link digestOf}. */
  settings: Schema.String,
  allow: Permissions,
  /** Permissions that no start has, whoever grants them. */
  deny: Permissions,
  /** Absolute paths. Neither paths nor values of variables are expanded. */
  bindings: Schema.Array(Binding),
  environment: Environment
})
export type Override = typeof Override.Type

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Override), { onExcessProperty: "error" })

/** Bytes of a file that are read. */
const sizeLimit = 65_536

/**
 * Identifies the settings that overrides were made for.
 *
 * @param settings those of the image
 * @returns a SHA-256 in hexadecimal digits. It does not depend on the identities of copies
 */
export const digestOf = (native: Native, settings: Settings): string => {
  const { extension: { distribution, portal }, ...rest } = settings
  return sha256(native, toJson({ ...rest, extension: { distribution, portal } }))
}

const filesError = (path: string) => (error: { readonly message: string }) =>
  new OverrideError({ reason: "Files", detail: `cannot use '${path}': ${error.message}` })

/** Fails if somebody else could have written to a file or directory. */
const checkOwn = Effect.fnUntraced(function*(path: string, type: "Directory" | "File") {
  const fs = yield* FileSystem.FileSystem
  const { uid } = yield* Host
  const info = yield* fs.lstat(path)
  const owner = Option.getOrUndefined(info.uid)
  const refused = (what: string) => new OverrideError({ reason: "Unsafe", detail: `'${path}' is not used: ${what}` })
  if (info.type !== type) return yield* refused(`it is not a ${type.toLowerCase()}`)
  if (owner !== uid) return yield* refused(`it belongs to user ${owner}; remove it`)
  if ((info.mode & 0o022) !== 0) return yield* refused(`others can write to it; to use it: chmod go-w '${path}'`)
  return info
})

/**
 * Reads the overrides of an image.
 *
 * @param directory see `OverrideDirectory.ts`
 * @param identity that of the image
 * @returns `undefined` if there are none; fails with `OverrideError` for a file that is not valid, or that others can change, because
 *   ignoring it could grant what the user has denied
 */
export const readOverride = Effect.fnUntraced(function*(directory: string, identity: string) {
  const fs = yield* FileSystem.FileSystem
  const path = `${directory}/${identity}.json`
  const info = yield* Effect.andThen(checkOwn(directory, "Directory"), checkOwn(path, "File")).pipe(
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed(undefined)),
    // HOME may be below a file, where nothing can be.
    Effect.catchReason("PlatformError", "BadResource", () => Effect.succeed(undefined)),
    Effect.catchTag("PlatformError", (error) => Effect.fail(filesError(path)(error)))
  )
  if (info === undefined) return undefined
  const invalid = (what: string) =>
    new OverrideError({ reason: "Invalid", detail: `'${path}' is not valid: ${what}; to remove it: rm '${path}'` })
  if (info.size > sizeLimit) return yield* invalid(`it is longer than ${sizeLimit} bytes`)
  const text = yield* fs.readFileString(path).pipe(Effect.mapError(filesError(path)))
  return yield* decode(text).pipe(Effect.mapError((error) => invalid(error.message.replaceAll(/\s+/g, " "))))
})

/**
 * Replaces the overrides of an image, or removes them. The file appears complete or not at all.
 *
 * @param override `undefined` removes them
 * @returns the path of the file
 */
export const writeOverride = Effect.fnUntraced(
  function*(directory: string, identity: string, override: Override | undefined) {
    const fs = yield* FileSystem.FileSystem
    const path = `${directory}/${identity}.json`
    if (override === undefined) {
      yield* fs.remove(path, { force: true }).pipe(Effect.mapError(filesError(path)))
      return path
    }
    const text = `${toJson(override, 2)}\n`
    if (text.length > sizeLimit) {
      return yield* new OverrideError({ reason: "Invalid", detail: `overrides are limited to ${sizeLimit} bytes` })
    }
    yield* fs.makeDirectory(directory, { recursive: true, mode: 0o700 }).pipe(Effect.mapError(filesError(directory)))
    yield* checkOwn(directory, "Directory").pipe(
      Effect.catchTag("PlatformError", (error) => Effect.fail(filesError(directory)(error)))
    )
    yield* replaceWith(path, text, 0o600).pipe(Effect.mapError(filesError(path)))
    return path
  }
)
