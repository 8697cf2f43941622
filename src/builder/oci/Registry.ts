import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { explain } from "../../NetworkFailure.ts"
import { NativeBytes } from "../../platform/NativeBytes.ts"
import { sha256 } from "../../platform/Sha256.ts"
import { atPath, type BuildError, buildError } from "../BuildError.ts"
import type { Report } from "../Progress.ts"
import { type Challenge, isLoopback, parseChallenge, trustedRealm } from "./Challenge.ts"
import { type Credential, Credentials } from "./Credentials.ts"
import { type Descriptor, manifestLimit } from "./Documents.ts"
import { verified } from "./Files.ts"
import type { Origin } from "./Origin.ts"
import { digestPattern, type RegistryReference } from "./Reference.ts"

/** How an image of a registry is fetched. */
export interface RegistryOptions {
  /** A directory for blobs. */
  readonly scratch: string
  /** Hosts of token servers that the user trusts with the credentials of the registry. */
  readonly realms: ReadonlyArray<string>
}

/** How long a server may send nothing. */
const silence = "30 seconds"
/** Within this time a server has to send so many bytes. */
const slowWindow = Duration.toMillis("60 seconds")
const slowBytes = 64 << 10
/** How often a request is repeated that got nothing, and how long a server may have that wait. */
const attempts = 5
const longestWait = Duration.toMillis("60 seconds")
const mostRedirects = 5
const tokenLimit = 1 << 20

const manifestTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json"
].join(", ")

/** The service of Docker's own registry has another name than its images. */
const serverOf = (host: string) => host === "docker.io" ? "registry-1.docker.io" : host

const decodeToken = Schema.decodeUnknownEffect(
  Schema.fromJsonString(
    Schema.Struct({ token: Schema.optionalKey(Schema.String), access_token: Schema.optionalKey(Schema.String) })
  )
)

/** Something that may be different at the next try: the server is busy, or the connection was cut. */
class Passing {
  readonly _tag = "Passing"
  readonly detail: string
  /** Milliseconds that the server asks for. */
  readonly wait: number | undefined
  constructor(detail: string, wait?: number) {
    this.detail = detail
    this.wait = wait
  }
}

/** A header's value that a server could have made anything of. */
const retryAfter = (value: string | undefined): number | undefined =>
  value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined

const drain = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.ignore(Effect.timeoutOption(Stream.runDrain(Stream.take(response.stream, 4)), "1 second"))

const basic = ({ password, user }: Extract<Credential, { readonly _tag: "Password" }>) =>
  Redacted.make(`Basic ${Base64.encode(`${user}:${Redacted.value(password)}`)}`)

/** Fetches images of registries, by version 2 of their protocol. */
export class Registries extends Context.Service<Registries, {
  /** An image of a registry. Nothing is fetched before it is asked for. */
  readonly open: (reference: RegistryReference, options: RegistryOptions) => Effect.Effect<Origin, BuildError>
}>()("flatimage/builder/oci/Registry/Registries") {
  static readonly layer = Layer.effect(
    Registries,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const client = yield* HttpClient.HttpClient
      const credentials = yield* Credentials
      /** A proxy for plain HTTP would see what is sent to this machine. */
      const plainProxy = yield* Config.all(
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].map((name) =>
          Config.String(name).pipe(Config.withDefault(""))
        )
      ).pipe(Effect.map((values) => values.some((value) => value !== "")))

      /** One request, without redirects. */
      const send = (request: HttpClientRequest.HttpClientRequest) =>
        client.execute(HttpClientRequest.setHeaders(request, {
          "user-agent": "flatimage",
          // Ranges count bytes as they are stored.
          "accept-encoding": "identity"
        })).pipe(
          Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
          Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
          Effect.mapError((error) => new Passing(explain(error))),
          Effect.timeoutOrElse({ duration: silence, orElse: () => Effect.fail(new Passing("the server is silent")) })
        )

      const remove = (path: string) => Effect.ignore(fs.remove(path, { force: true }))

      const open = Effect.fn("Registries.open")(function*(reference: RegistryReference, options: RegistryOptions) {
        const { host, name, version } = reference
        const separator = digestPattern.test(version) ? "@" : ":"
        const shown = `docker://${host}/${name}${separator}${version}`
        const unreachable = (detail: string) => buildError("Unreachable", { url: shown, detail })
        const server = new URL(`https://${serverOf(host)}`)

        const body = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse, limit: number) {
          const chunks: Array<Uint8Array> = []
          let size = 0
          yield* response.stream.pipe(
            Stream.mapError((error) => new Passing(`the response was cut short: ${explain(error)}`)),
            Stream.timeoutOrElse({
              duration: silence,
              orElse: () => Stream.fail(new Passing("the server went silent"))
            }),
            Stream.runForEach((chunk) => {
              chunks.push(chunk)
              size += chunk.length
              return size > limit ? Effect.fail(unreachable(`it sends more than ${limit} bytes`)) : Effect.void
            })
          )
          return Bytes.concat(chunks)
        })

        /** Repeats what may pass, with waits that grow. */
        const patiently = <A, E, R>(effect: Effect.Effect<A, E | Passing, R>) => {
          const again = (left: number): Effect.Effect<A, Exclude<E, Passing> | BuildError, R> =>
            Effect.catch(effect, (error) => {
              if (!(error instanceof Passing)) return Effect.fail(error as Exclude<E, Passing>)
              const wait = error.wait ?? 500 * 2 ** (attempts - left)
              if (left <= 1 || wait > longestWait) {
                const asked = wait > longestWait ? `, and asks to wait for ${Math.ceil(wait / 1000)} seconds` : ""
                return Effect.fail(unreachable(`${error.detail}${asked}`))
              }
              return Effect.andThen(Effect.sleep(wait), again(left - 1))
            })
          return again(attempts)
        }

        // A registry on this machine may speak plain HTTP.
        const base = yield* Effect.cached(Effect.gen(function*() {
          if (!isLoopback(server.hostname)) return server
          const answer = yield* Effect.result(send(HttpClientRequest.get(new URL("/v2/", server))))
          if (Result.isSuccess(answer)) {
            yield* drain(answer.success)
            return server
          }
          return new URL(`http://${server.host}`)
        }))

        const stored = yield* Effect.cached(Effect.gen(function*() {
          const url = yield* base
          if (url.protocol === "http:" && plainProxy) return undefined
          return yield* credentials.find(host)
        }))

        const tokenOf = Effect.fnUntraced(function*(challenge: Extract<Challenge, { readonly _tag: "Bearer" }>) {
          const credential = yield* stored
          const registry = yield* base
          const realm = trustedRealm(registry, challenge.realm, options.realms)
          const anonymous = URL.canParse(challenge.realm) ? new URL(challenge.realm) : undefined
          const isSecret = credential !== undefined
          if (isSecret && Result.isFailure(realm)) {
            const place = anonymous?.host ?? "its token server"
            return yield* buildError("Refused", {
              detail:
                `the credentials for ${host} are not sent to ${place}: ${realm.failure}. To send them all the same add --trust-realm ${place}`
            })
          }
          const url = Result.isSuccess(realm) ? new URL(realm.success) : anonymous
          const isPlain = url?.protocol === "http:" && isLoopback(url.hostname) && isLoopback(registry.hostname)
          if (url === undefined || (url.protocol !== "https:" && !isPlain)) {
            return yield* unreachable("its token server is not one of https")
          }
          // Not what the challenge asks for: what it is used for.
          const scope = `repository:${name}:pull`
          const service = challenge.service === undefined ? {} : { service: challenge.service }
          const request = credential?._tag === "Refresh"
            ? HttpClientRequest.post(url).pipe(HttpClientRequest.bodyUrlParams({
              ...service,
              grant_type: "refresh_token",
              client_id: "flatimage",
              scope,
              refresh_token: Redacted.value(credential.token)
            }))
            : HttpClientRequest.get(url, {
              urlParams: { ...service, scope },
              ...(credential === undefined ? {} : { headers: { authorization: Redacted.value(basic(credential)) } })
            })
          const response = yield* send(request)
          if (response.status === 429 || response.status >= 500) {
            yield* drain(response)
            return yield* Effect.fail(
              new Passing(
                `its token server replied with status ${response.status}`,
                retryAfter(response.headers["retry-after"])
              )
            )
          }
          if (response.status !== 200) {
            yield* drain(response)
            return yield* unreachable(
              response.status === 401 || response.status === 403
                ? refusedText(isSecret)
                : `its token server replied with status ${response.status}`
            )
          }
          const text = new TextDecoder().decode(yield* body(response, tokenLimit))
          const { access_token: access, token } = yield* Effect.mapError(
            decodeToken(text),
            () => unreachable("its token server gave no valid answer")
          )
          const found = token ?? access
          if (found === undefined || !/^[\x21-\x7e]+$/.test(found)) {
            return yield* unreachable("its token server gave no valid answer")
          }
          return Redacted.make(`Bearer ${found}`)
        })

        const refusedText = (isSecret: boolean) =>
          isSecret
            ? "the registry refuses the stored credentials: log in again"
            : `the registry has no such image, or wants credentials: to store them: skopeo login ${host}`

        /** The value of the header that the registry has asked for. It is sent to the registry alone. */
        let authorization: Redacted.Redacted<string> | undefined

        const authorized = Effect.fnUntraced(function*(path: string, headers: Readonly<Record<string, string>>) {
          const url = new URL(path, yield* base)
          for (let isLast = false;; isLast = true) {
            const response = yield* send(HttpClientRequest.get(url, {
              headers: {
                ...headers,
                ...(authorization === undefined ? {} : { authorization: Redacted.value(authorization) })
              }
            }))
            if (response.status !== 401) return response
            yield* drain(response)
            const challenge = parseChallenge(response.headers["www-authenticate"] ?? "")
            const credential = yield* stored
            if (isLast || challenge === undefined) return yield* unreachable(refusedText(credential !== undefined))
            if (challenge._tag === "Bearer") {
              authorization = yield* tokenOf(challenge)
              continue
            }
            if (credential?._tag !== "Password") return yield* unreachable(refusedText(credential !== undefined))
            authorization = basic(credential)
          }
        })

        /** Gets what is at a path of the registry, wherever that sends us. */
        const get = Effect.fnUntraced(function*(path: string, headers: Readonly<Record<string, string>>) {
          let response = yield* authorized(path, headers)
          let place = new URL(path, yield* base)
          for (let redirects = 0; [301, 302, 303, 307, 308].includes(response.status); redirects++) {
            yield* drain(response)
            const location = response.headers["location"] ?? ""
            if (redirects >= mostRedirects || !URL.canParse(location, place.href)) {
              return yield* unreachable("the registry sends us from place to place")
            }
            place = new URL(location, place)
            // The rest of it may hold a signature.
            const isPlain = place.protocol === "http:" && isLoopback(place.hostname) && isLoopback(server.hostname)
            if (place.protocol !== "https:" && !isPlain) {
              return yield* unreachable(`the registry sends us to ${place.protocol}//${place.host}, which is not https`)
            }
            place.username = ""
            place.password = ""
            response = yield* send(HttpClientRequest.get(place, { headers }))
          }
          const { status } = response
          if (status === 200 || status === 206) return response
          yield* drain(response)
          if (status === 429 || status >= 500) {
            return yield* Effect.fail(
              new Passing(`the registry replied with status ${status}`, retryAfter(response.headers["retry-after"]))
            )
          }
          return yield* unreachable(
            status === 404 ? "the registry has no such image" : `the registry replied with status ${status}`
          )
        })

        const document = (path: string, limit: number) =>
          patiently(Effect.gen(function*() {
            const response = yield* get(path, { accept: manifestTypes })
            return { bytes: yield* body(response, limit), digest: response.headers["docker-content-digest"] }
          }))

        const top = Effect.gen(function*() {
          const { bytes, digest } = yield* document(`/v2/${name}/manifests/${version}`, manifestLimit)
          const actual = `sha256:${sha256(native, bytes)}`
          const expected = digestPattern.test(version) ? version : digestPattern.test(digest ?? "") ? digest : actual
          if (actual !== expected) {
            return yield* buildError("Untrusted", {
              path: shown,
              detail: `its manifest has the digest ${actual}, not ${expected}`
            })
          }
          return bytes
        })

        const blobPath = (digest: string) => `${options.scratch}/${digest.slice("sha256:".length)}`

        /** Writes a blob to a file, continuing where a connection was cut. */
        const download = Effect.fnUntraced(function*({ digest, size }: Descriptor, path: string, report: Report) {
          const file = yield* fs.open(path, { flag: "wx", mode: 0o600 }).pipe(atPath(path))
          let hash = native.hasher("sha256")
          let done = 0
          const tooMuch = unreachable(`it sends more than the ${size} bytes that are described for ${digest}`)

          const piece = Effect.gen(function*() {
            const before = done
            const response = yield* get(
              `/v2/${name}/blobs/${digest}`,
              before === 0 ? {} : { range: `bytes=${before}-` }
            )
            if (before > 0 && response.status === 200) {
              // The server begins anew.
              yield* file.truncate(0).pipe(atPath(path))
              yield* file.seek(0n, "start")
              hash = native.hasher("sha256")
              done = 0
            } else if (before > 0 && !(response.headers["content-range"] ?? "").startsWith(`bytes ${before}-`)) {
              return yield* unreachable("the server continues at another place than it was asked to")
            }
            let windowStart = yield* Clock.currentTimeMillis
            let windowBytes = 0
            yield* response.stream.pipe(
              Stream.mapError((error) => new Passing(`the response was cut short: ${explain(error)}`)),
              Stream.timeoutOrElse({
                duration: silence,
                orElse: () => Stream.fail(new Passing("the server went silent"))
              }),
              Stream.runForEach((chunk) =>
                Effect.gen(function*() {
                  if (done + chunk.length > size) return yield* tooMuch
                  yield* file.writeAll(chunk).pipe(atPath(path))
                  hash.update(chunk)
                  done += chunk.length
                  windowBytes += chunk.length
                  const now = yield* Clock.currentTimeMillis
                  if (now - windowStart > slowWindow) {
                    if (windowBytes < slowBytes) return yield* Effect.fail(new Passing("the server sends too slowly"))
                    windowStart = now
                    windowBytes = 0
                  }
                  yield* report(done, size)
                })
              )
            )
            if (done < size) {
              return yield* Effect.fail(new Passing(`the response was cut short after ${done} of ${size} bytes`))
            }
          })

          // What comes in pieces is no failure as long as there are some.
          const whole: Effect.Effect<void, BuildError | Passing> = Effect.suspend(() => {
            const before = done
            return Effect.catchIf(
              piece,
              (error): error is Passing => error instanceof Passing && done > before,
              () => whole
            )
          })
          if (size > 0) yield* patiently(whole)
          const actual = `sha256:${Hex.encode(hash.digest())}`
          if (actual !== digest) {
            return yield* buildError("Untrusted", {
              path: shown,
              detail: `a blob has the digest ${actual}, not ${digest}`
            })
          }
        }, Effect.scoped)

        const origin: Origin = {
          name: shown,
          top,
          document: Effect.fnUntraced(function*(descriptor, limit) {
            if (descriptor.size > limit) return yield* unreachable(`${descriptor.digest} has more than ${limit} bytes`)
            const isManifest = /manifest|index/.test(descriptor.mediaType ?? "")
            const place = `/v2/${name}/${isManifest ? "manifests" : "blobs"}/${descriptor.digest}`
            return yield* verified(native, shown, descriptor, (yield* document(place, limit)).bytes)
          }),
          blob: Effect.fnUntraced(function*(descriptor, report) {
            const path = blobPath(descriptor.digest)
            yield* download(descriptor, path, report).pipe(Effect.onError(() => remove(path)))
            return path
          }),
          release: ({ digest }) => remove(blobPath(digest))
        }
        return origin
      })

      return Registries.of({ open })
    })
  )
}
