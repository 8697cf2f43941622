/** Fetches a small file from anybody's server, who may send too much, too slowly, or nothing. Loaded when it is needed. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { DesktopError } from "./DesktopError.ts"

export interface Limits {
  /** Of the body. */
  readonly bytes: number
  /** From the first connection to the last byte. */
  readonly time: Duration.Input
  readonly redirects: number
}

const failed = (detail: string) => new DesktopError({ reason: "Fetch", detail })

/** A server may name any address as the next one, also that of a file of this machine, which some runtimes open. */
const fetchHttp: typeof globalThis.fetch = Object.assign(
  (input: Parameters<typeof globalThis.fetch>[0], init?: RequestInit) =>
    /^https?:\/\//i.test(input instanceof Request ? input.url : String(input))
      ? globalThis.fetch(input, init)
      : Promise.reject(new TypeError("it leads to an address that is not of HTTP")),
  globalThis.fetch
)

const client = Effect.gen(function*() {
  const context = yield* Layer.build(FetchHttpClient.layer)
  return yield* Effect.provideContext(HttpClient.HttpClient, context)
})

const fetchWithin = Effect.fnUntraced(function*(url: string, limits: Limits) {
  const http = HttpClient.followRedirects(yield* client, limits.redirects)
  const response = yield* http.get(url)
  if (response.status >= 300 && response.status < 400) {
    return yield* failed(`it leads on to another address more than ${limits.redirects} times`)
  }
  if (response.status !== 200) return yield* failed(`the server answered with ${response.status}`)
  const tooLarge = failed(`it has more than ${limits.bytes} bytes`)
  // Of what is compressed on the way this is another size; nothing of ours asks for that.
  const length = response.headers["content-encoding"] === undefined ? response.headers["content-length"] : undefined
  if (Number(length ?? 0) > limits.bytes) return yield* tooLarge
  const chunks: Array<Uint8Array> = []
  let size = 0
  yield* Stream.runForEach(response.stream, (chunk) => {
    chunks.push(chunk)
    size += chunk.length
    return size > limits.bytes ? Effect.fail(tooLarge) : Effect.void
  })
  if (size === 0 || (length !== undefined && size !== Number(length))) {
    return yield* failed(`it ended after ${size} bytes${length === undefined ? "" : ` of ${length}`}`)
  }
  return new Uint8Array(Buffer.concat(chunks))
})

/** The body at a URL. Fails with `Fetch` for whatever goes beyond the limits, and for every answer but the file itself. */
export const fetchBytes = Effect.fn("Fetch.fetchBytes")((url: string, limits: Limits) =>
  fetchWithin(url, limits).pipe(
    Effect.scoped,
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    Effect.provideService(FetchHttpClient.Fetch, fetchHttp),
    Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
    Effect.timeoutOrElse({
      duration: limits.time,
      orElse: () => Effect.fail(failed("it took too long"))
    }),
    Effect.mapError((error) => failed(`Could not download '${url}': ${error.message}`))
  )
)
