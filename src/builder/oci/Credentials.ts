/** Credentials for registries, as Docker's tools store them: `config.json` and the helpers that it names. */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Utf8 from "../../Utf8.ts"
import { atPath, type BuildError, buildError } from "../BuildError.ts"

/** What a registry or its token server is shown. */
export type Credential =
  | { readonly _tag: "Password"; readonly user: string; readonly password: Redacted.Redacted<string> }
  /** A token that is exchanged for another one. */
  | { readonly _tag: "Refresh"; readonly token: Redacted.Redacted<string> }

const fileLimit = 1 << 20
const helperLimit = 1 << 20
const helperTime = "60 seconds"

/** The name is a part of a program's name, which is looked up in PATH. */
const helperName = /^[a-z0-9-]{1,64}$/

const Text = Schema.optionalKey(Schema.NullOr(Schema.String))
const File = Schema.fromJsonString(Schema.Struct({
  auths: Schema.optionalKey(Schema.NullOr(Schema.Record(
    Schema.String,
    Schema.NullOr(Schema.Struct({ auth: Text, identitytoken: Text }))
  ))),
  credsStore: Text,
  credHelpers: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.String)))
}))
const decodeFile = Schema.decodeUnknownEffect(File)

const Answer = Schema.fromJsonString(Schema.Struct({ Username: Schema.String, Secret: Schema.String }))
const decodeAnswer = Schema.decodeUnknownEffect(Answer)

/** Under what names the credentials of a registry are stored. */
const keysOf = (host: string): ReadonlyArray<string> =>
  host === "docker.io"
    ? ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"]
    : [host, `https://${host}`, `https://${host}/`, `https://${host}/v1/`, `https://${host}/v2/`]

/** The user that stands for a token in a helper's answer. */
const tokenUser = "<token>"

const credentialOf = (user: string, secret: string): Credential =>
  user === tokenUser
    ? { _tag: "Refresh", token: Redacted.make(secret) }
    : { _tag: "Password", user, password: Redacted.make(secret) }

/** Finds credentials. Only builds use it, never a start. */
export class Credentials extends Context.Service<Credentials, {
  /**
   * The credentials that are stored for a registry. No message contains one. Fails with `BuildError` for a file or a helper that cannot
   * be used: to go on without would give another result than the user expects.
   */
  readonly find: (host: string) => Effect.Effect<Credential | undefined, BuildError>
}>()("flatimage/builder/oci/Credentials") {
  static readonly layer = Layer.effect(
    Credentials,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const spawner = yield* ChildProcessSpawner
      const home = yield* Config.String("HOME").pipe(Config.withDefault(""))
      const directory = yield* Config.String("DOCKER_CONFIG").pipe(Config.withDefault(`${home}/.docker`))
      const path = `${directory}/config.json`

      const file = Effect.gen(function*() {
        const info = yield* fs.stat(path).pipe(
          Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed(undefined)),
          atPath(path)
        )
        if (info === undefined) return undefined
        if (info.type !== "File" || info.size > fileLimit) {
          return yield* buildError("File", { path, detail: `it is not a file of at most ${fileLimit} bytes` })
        }
        return yield* fs.readFileString(path).pipe(
          atPath(path),
          Effect.flatMap((text) =>
            // The schema's message would quote what is secret.
            Effect.mapError(decodeFile(text), () =>
              buildError("File", { path, detail: "it is not a configuration of Docker: correct or remove it" }))
          )
        )
      })

      /** The answer of a helper; `undefined` if it knows nothing. It reads the name of the registry, and answers with JSON. */
      const helped = Effect.fnUntraced(function*(name: string, key: string) {
        if (!helperName.test(name)) {
          return yield* buildError("Refused", {
            detail: `${path} names the credential helper ${JSON.stringify(name)}: names have only a-z, 0-9 and -`
          })
        }
        const program = `docker-credential-${name}`
        const failed = (detail: string) =>
          buildError("Refused", { detail: `the credential helper ${program}, which ${path} names, ${detail}` })
        const [output, code] = yield* spawner.spawn(
          ChildProcess.make(program, ["get"], {
            stdin: Stream.make(Utf8.encode(key)),
            stderr: "ignore",
            extendEnv: true,
            forceKillAfter: "5 seconds"
          })
        ).pipe(
          Effect.flatMap((handle) =>
            Effect.all([
              handle.stdout.pipe(
                Stream.mapAccum(
                  () => 0,
                  (size, chunk) => [size + chunk.length, [{ chunk, size: size + chunk.length }]]
                ),
                Stream.takeWhile(({ size }) => size <= helperLimit),
                Stream.map(({ chunk }) => chunk),
                Stream.decodeText,
                Stream.mkString
              ),
              handle.exitCode
            ], { concurrency: "unbounded" })
          ),
          Effect.scoped,
          Effect.mapError((error) =>
            failed(error.reason._tag === "NotFound" ? "is not installed" : "could not be run")
          ),
          Effect.timeoutOrElse({ duration: helperTime, orElse: () => Effect.fail(failed("does not answer")) })
        )
        // It says so in words, which are the only way to tell.
        if (code !== 0 && /credentials not found/i.test(output)) return undefined
        if (code !== 0) return yield* failed(`failed with ${code}`)
        const { Secret, Username } = yield* Effect.mapError(decodeAnswer(output), () => failed("gave no valid answer"))
        return Username === "" && Secret === "" ? undefined : credentialOf(Username, Secret)
      })

      const find = Effect.fn("Credentials.find")(function*(host: string) {
        const stored = yield* file
        if (stored === undefined) return undefined
        const keys = keysOf(host)
        const helpers = stored.credHelpers ?? {}
        const helper = keys.map((key) =>
          Object.hasOwn(helpers, key) ? helpers[key] : undefined
        ).find((name) => name !== undefined) ??
          stored.credsStore ?? undefined
        if (helper !== undefined && helper !== "") {
          const found = yield* helped(helper, keys[0] ?? host)
          if (found !== undefined) {
            return found
          }
        }
        const auths = stored.auths ?? {}
        const entry = keys.map((key) =>
          Object.hasOwn(auths, key) ? auths[key] : undefined
        ).find((entry) => entry != null)
        if (entry == null) {
          return undefined
        }
        const token = entry.identitytoken ?? ""
        if (token !== "") {
          return credentialOf(tokenUser, token)
        }
        const encoded = entry.auth ?? ""
        if (encoded === "") {
          return undefined
        }
        const text = yield* Effect.mapError(
          Effect.fromResult(Base64.decodeString(encoded)),
          () =>
            buildError("File", { path, detail: `the entry of ${host} is damaged: log in again` })
        )
        const at = text.indexOf(":")
        if (at < 0) return yield* buildError("File", { path, detail: `the entry of ${host} is damaged: log in again` })
        return credentialOf(text.slice(0, at), text.slice(at + 1).replace(/\0+$/, ""))
      })

      return Credentials.of({ find })
    })
  )
}
