/** Unpredictable names. */
import * as Effect from "effect/Effect"

/**
 * Random digits.
 *
 * @param bytes how many random bytes the digits stand for
 * @returns twice as many hexadecimal digits, in lower case
 */
export const drawHex = (bytes: number): Effect.Effect<string> =>
  // Not loaded on a start, which draws nothing.
  Effect.map(
    Effect.promise(() => Promise.all([import("effect/crypto/SecureRandom"), import("effect/encoding/Hex")])),
    ([{ randomBytesUnsafe }, Hex]) => Hex.encode(randomBytesUnsafe(bytes))
  )
