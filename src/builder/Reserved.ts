import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type FieldName, fieldNames, reservedSize, slots } from "../image/ReservedLayout.ts"
import type { Fields } from "../image/Settings.ts"
import { encode } from "../image/SettingsCodec.ts"
import { defaults } from "../image/SettingsDefaults.ts"
import { type BuildError, buildError } from "./BuildError.ts"

/** Default URL of recipes in a new image: those of the original FlatImage. `fim-remote` changes it. */
const recipes = "https://raw.githubusercontent.com/flatimage/recipes/master"

/**
 * The reserved space of a new image.
 *
 * @param distribution its name as `fim-version full` prints it
 * @param settings values that replace defaults
 * @param identity of the image, if it has one
 * @returns the bytes; fails with `BuildError` if a value cannot be stored
 */
export const newReservedSpace = (
  distribution: string,
  settings: Partial<Fields> = {},
  identity?: string
): Effect.Effect<Uint8Array, BuildError> =>
  Effect.gen(function*() {
    const space = new Uint8Array(reservedSize)
    const values: Fields = {
      ...defaults,
      remote: recipes,
      ...settings,
      extension: {
        ...defaults.extension,
        ...settings.extension,
        distribution,
        ...(identity === undefined ? {} : { identity })
      }
    }
    const put = <Field extends FieldName>(field: Field) =>
      Result.map(encode(field, values[field]), (bytes) => space.set(bytes, slots[field].offset))
    for (const field of fieldNames) {
      yield* Effect.fromResult(put(field)).pipe(
        Effect.mapError((failure) =>
          buildError("Refused", {
            detail: failure._tag === "NoRoom"
              ? `the setting ${failure.field} has ${failure.bytes} bytes, of which ${failure.fits} fit`
              : `the setting ${failure.field} cannot be stored: ${failure.detail}`
          })
        )
      )
    }
    return space
  })
