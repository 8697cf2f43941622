import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type FieldName, fieldNames, reservedSize, slots } from "../image/ReservedLayout.ts"
import { defaults, type Fields } from "../image/Settings.ts"
import { encode } from "../image/SettingsCodec.ts"
import { type BuildError, buildError } from "./BuildError.ts"

/**
 * The reserved space of a new image: the defaults, and which distribution it is (as in `fim-version full`). Fails with
 * `BuildError` when the name cannot be stored.
 */
export const newReservedSpace = (distribution: string): Effect.Effect<Uint8Array, BuildError> =>
  Effect.gen(function*() {
    const space = new Uint8Array(reservedSize)
    const values: Fields = { ...defaults, extension: { ...defaults.extension, distribution } }
    const put = <Field extends FieldName>(field: Field) =>
      Result.map(encode(field, values[field]), (bytes) => space.set(bytes, slots[field].offset))
    for (const field of fieldNames) {
      yield* Effect.fromResult(put(field)).pipe(
        Effect.mapError((failure) =>
          buildError("Refused", { detail: `the setting ${failure.field} cannot be stored: ${JSON.stringify(failure)}` })
        )
      )
    }
    return space
  })
