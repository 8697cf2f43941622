/** Node as a platform for tests. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Layer from "effect/Layer"
import { nativeBytes } from "../../bin/native.ts"
import * as NodePlatform from "../../bin/platform.ts"
import * as Sha256 from "../../src/platform/Sha256.ts"

/** Effect's services and those of `src/platform`. */
export const layer = Layer.merge(NodeServices.layer, NodePlatform.layer)

export { nativeBytes }

/** SHA-256 of bytes, or of a text in UTF-8, in hexadecimal digits. */
export const sha256 = (content: Uint8Array | string): string => Sha256.sha256(nativeBytes, content)
