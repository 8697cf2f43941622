/**
 * Identifies an image, whatever its name and location: 128 bits in its reserved space. Pure, except for drawing an
 * identity.
 */
import type * as Effect from "effect/Effect"
import { drawHex } from "../RandomName.ts"
import type { Extension } from "./Settings.ts"

/** The identities of an image. `identity` is absent in images of versions without identities. */
export type Identified = Pick<Extension, "identity" | "formerly">

/** How many former identities an image stores. It gets a new identity only after it was copied. */
const maxFormer = 8

/** Thirty-two hexadecimal digits, in lower case. */
export const identityPattern = /^[0-9a-f]{32}$/

/** Whether a text is an identity. */
export const isIdentity = (text: string): boolean => identityPattern.test(text)

/** Draws a new identity: 32 hexadecimal digits. */
export const drawIdentity: Effect.Effect<string> = drawHex(16)

/** The extension with a new identity; the former one is added to `formerly`. */
export const withIdentity = (extension: Extension, identity: string): Extension => {
  const { formerly = [], identity: before, ...rest } = extension
  const remembered = before === undefined ? formerly : [...formerly, before].slice(-maxFormer)
  return { ...rest, identity, ...(remembered.length === 0 ? {} : { formerly: remembered }) }
}

/** `next` with the identity of `current`: copying the settings of an image does not copy its identity. */
export const keepIdentity = (current: Identified, next: Extension): Extension => {
  const { formerly: _formerly, identity: _identity, ...rest } = next
  return {
    ...rest,
    ...(current.identity === undefined ? {} : { identity: current.identity }),
    ...(current.formerly === undefined ? {} : { formerly: current.formerly })
  }
}
