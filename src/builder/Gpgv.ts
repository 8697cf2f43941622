import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as ByteString from "../ByteString.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { Programs } from "./Programs.ts"
import { scratchDirectory } from "./Scratch.ts"
import { Workspace } from "./Workspace.ts"

const armor =
  /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n([A-Za-z0-9+/=\s]+?)(?:\r?\n=[A-Za-z0-9+/]{4})?\r?\n-----END/g

/** Removes text armour from a keyring, because gpgv reads binary keys. */
const dearmor = (bytes: Uint8Array): Uint8Array => {
  const text = ByteString.ofBytes(bytes)
  if (!text.includes("-----BEGIN PGP PUBLIC KEY BLOCK-----")) return bytes
  return Bytes.concat(
    [...text.matchAll(armor)].map((match) =>
      // On invalid text gpgv reports why it rejects the key.
      Result.getOrElse(Base64.decode((match[1] ?? "").replaceAll(/\s/g, "")), () => new Uint8Array())
    )
  )
}

/** Checks OpenPGP signatures with the machine's gpgv, which uses only the given keys. */
export class Gpgv extends Context.Service<Gpgv, {
  /** Fails with `BuildError` unless a key of the keyring made the detached signature of the file. */
  readonly verify: (file: string, signature: string, keyring: string) => Effect.Effect<void, BuildError>
}>()("flatimage/builder/Gpgv") {
  static readonly layer = Layer.effect(
    Gpgv,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      const workspace = yield* Workspace

      const verify = Effect.fn("Gpgv.verify")(function*(file: string, signature: string, keyring: string) {
        const directory = yield* scratchDirectory(fs, yield* workspace.directory("cache"), "gpgv")
        const keys = `${directory}/keys.gpg`
        yield* fs.writeFile(keys, dearmor(yield* fs.readFile(keyring).pipe(atPath(keyring)))).pipe(atPath(keys))
        yield* programs.run("gpgv", ["--homedir", directory, "--keyring", keys, "--", signature, file], {
          remedy: "install the package gpgv"
        }).pipe(
          Effect.mapError((error) =>
            error.reason._tag === "ProgramFailed"
              ? buildError("Untrusted", {
                path: file,
                detail: `no key of ${keyring} made its signature (${error.reason.output})`
              })
              : error
          )
        )
      }, Effect.scoped)

      return Gpgv.of({ verify })
    })
  )
}
