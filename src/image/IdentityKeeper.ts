/**
 * Decides when an image gets a new identity: at the first write to a file that is one of several copies, or that has none.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { drawIdentity, type Identified, withIdentity } from "./Identity.ts"
import type { Change } from "./Journal.ts"
import { slots } from "./ReservedLayout.ts"
import type { Session } from "./ReservedWriter.ts"
import type { Extension } from "./Settings.ts"
import { decode, encode } from "./SettingsCodec.ts"

/** Knows the copies of an image. */
export interface IdentityKeeper {
  /** Whether another file is known to have the identity of this one. */
  readonly isCopy: (image: Identified) => Effect.Effect<boolean>
  /** Called after the identity of the image has changed on the disk. */
  readonly changed: (before: string | undefined, after: string) => Effect.Effect<void>
}

/** A change that sets a new identity, and what to do after it is written. */
export interface Renewal {
  readonly change: Change
  readonly written: Effect.Effect<void>
}

/**
 * The renewal that a write has to include.
 *
 * @param keeper knows the copies; without it there is no renewal
 * @param session the locked image
 * @param next the new value of the field, if the same write changes it
 * @returns `undefined` if the image keeps its identity. A damaged field stays as it is
 */
export const renewal = Effect.fnUntraced(function*(
  keeper: IdentityKeeper | undefined,
  session: Pick<Session, "slot">,
  next?: Extension
) {
  if (keeper === undefined) return undefined
  const before = yield* session.slot("extension")
  const decoded = decode("extension", before)
  if (Result.isFailure(decoded)) return undefined
  const current = decoded.success
  if (current.identity !== undefined && !(yield* keeper.isCopy(current))) return undefined
  const identity = yield* drawIdentity
  const encoded = encode("extension", withIdentity(next ?? current, identity))
  // Encoding fails only if the field is full. The image then keeps its identity.
  if (Result.isFailure(encoded)) return undefined
  const renewed: Renewal = {
    change: { offset: slots.extension.offset, before, after: encoded.success },
    written: keeper.changed(current.identity, identity)
  }
  return renewed
})

/** Gives the image a new identity now if it needs one, before other bytes of it are written. */
export const renewNow = Effect.fnUntraced(function*(
  keeper: IdentityKeeper | undefined,
  session: Pick<Session, "slot" | "commit">
) {
  const renewed = yield* renewal(keeper, session)
  if (renewed === undefined) return
  yield* session.commit([renewed.change])
  yield* renewed.written
})
