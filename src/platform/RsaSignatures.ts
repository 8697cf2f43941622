/** RSA signatures with the padding of PKCS #1 v1.5, by the native code of the platform. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** Of the digest that is signed. Effect's `Signature` has no SHA-1, which the keys of Alpine still sign with. */
export type SignedDigest = "sha1" | "sha256" | "sha512"

export class RsaSignatures extends Context.Service<RsaSignatures, {
  /** Whether a text is a public RSA key in PEM. */
  readonly isPublicKey: (pem: string) => Effect.Effect<boolean>
  /**
   * Whether a signature is right.
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
