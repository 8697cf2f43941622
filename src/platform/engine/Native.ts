/** The services of `src/platform` for images. */
import * as Layer from "effect/Layer"
import * as host from "fim:host"
import { NativeBytes } from "../NativeBytes.ts"
import { Posix } from "../Posix.ts"
import { attempt } from "./SystemError.ts"

const nativeBytes = NativeBytes.of({
  equal: host.equal,
  hasher: (algorithm) => {
    const hash = host.hashStart(algorithm)
    return {
      update: (bytes) => host.hashUpdate(hash, bytes),
      digest: () => new Uint8Array(host.hashEnd(hash))
    }
  }
})

const posix = Posix.of({ rmdir: (path) => attempt("Posix", "rmdir", path, () => host.removeDirectory(path)) })

export const layer = Layer.mergeAll(Layer.succeed(NativeBytes, nativeBytes), Layer.succeed(Posix, posix))
