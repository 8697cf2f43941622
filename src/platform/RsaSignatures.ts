/** RSA signatures with PKCS #1 v1.5 padding, by native code of the platform. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** Digest algorithms of signatures. Effect's `Signature` has no SHA-1, with which Alpine's keys still sign. */
export type SignedDigest = "sha1" | "sha256" | "sha512"

/** Verifies RSA signatures. */
export class RsaSignatures extends Context.Service<RsaSignatures, {
  /** Whether a text is a public RSA key in PEM. */
  readonly isPublicKey: (pem: string) => Effect.Effect<boolean>
  /**
   * Verifies a signature.
   *
   * @param pem a public key that `isPublicKey` accepts
   * @param signed the signed bytes, not their digest
   */
  readonly verify: (
    pem: string,
    digest: SignedDigest,
    signed: Uint8Array,
    signature: Uint8Array
  ) => Effect.Effect<boolean>
}>()("flatimage/platform/RsaSignatures") {}
