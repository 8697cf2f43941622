/** Fetches a small file from an untrusted server, which may send too much, too slowly, or nothing. Loaded when needed. */
import * as Bytes from "effect/Bytes"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { explain } from "./NetworkFailure.ts"

/** Why something could not be got from a server. */
export class FetchError extends Data.TaggedError("FetchError")<{
  readonly url: string
  readonly detail: string
}> {
  override get message(): string {
    return `Could not download '${this.url}': ${this.detail}`
  }
}

export interface Limits {
  /** Of the body. */
  readonly bytes: number
  /** From the first connection to the last byte. */
  readonly time: Duration.Input
  readonly redirects: number
}

/** Called for each piece that arrives: bytes so far, and the total if the server sends it. */
export type Report = (done: number, total: number | undefined) => Effect.Effect<void>

/** A server may name any address as the next one, also that of a file of this machine, which some runtimes open. */
const onlyHttp = (fetch: typeof globalThis.fetch): typeof globalThis.fetch =>
  Object.assign(
    (input: Parameters<typeof globalThis.fetch>[0], init?: RequestInit) =>
      /^https?:\/\//i.test(typeof input === "object" && "url" in input ? input.url : String(input))
        ? fetch(input, init)
        : Promise.reject(new TypeError("it leads to an address that is not of HTTP")),
    fetch
  )

const client = Effect.gen(function*() {
  const context = yield* Layer.build(FetchHttpClient.layer)
  return yield* Effect.provideContext(HttpClient.HttpClient, context)
})

const fetchWithin = Effect.fnUntraced(function*(url: string, limits: Limits, report: Report) {
  const failed = (detail: string) => new FetchError({ url, detail })
  const http = HttpClient.followRedirects(yield* client, limits.redirects)
  const response = yield* http.get(url)
  if (response.status >= 300 && response.status < 400) {
    return yield* failed(`it leads on to another address more than ${limits.redirects} times`)
  }
  if (response.status !== 200) return yield* failed(`the server answered with ${response.status}`)
  const tooLarge = failed(`it has more than ${limits.bytes} bytes`)
  // Of what is compressed on the way this is another size; nothing of ours asks for that.
  const length = response.headers["content-encoding"] === undefined ? response.headers["content-length"] : undefined
  const total = length === undefined ? undefined : Number(length)
  if ((total ?? 0) > limits.bytes) return yield* tooLarge
  const chunks: Array<Uint8Array> = []
  let size = 0
  yield* Stream.runForEach(response.stream, (chunk) => {
    chunks.push(chunk)
    size += chunk.length
    return size > limits.bytes ? Effect.fail(tooLarge) : report(size, total)
  })
  if (size === 0 || (total !== undefined && size !== total)) {
    return yield* failed(`it ended after ${size} bytes${total === undefined ? "" : ` of ${total}`}`)
  }
  return Bytes.concat(chunks)
})

/** The body at a URL. Fails with `FetchError` beyond the limits, and for every reply but the file itself. */
export const fetchBytes = Effect.fn("Fetch.fetchBytes")((
  url: string,
  limits: Limits,
  report: Report = () => Effect.void
) =>
  fetchWithin(url, limits, report).pipe(
    Effect.scoped,
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    Effect.updateService(FetchHttpClient.Fetch, onlyHttp),
    Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
    Effect.timeoutOrElse({
      duration: limits.time,
      orElse: () => Effect.fail(new FetchError({ url, detail: "it took too long: check the network, or try again" }))
    }),
    Effect.mapError((error) => error._tag === "FetchError" ? error : new FetchError({ url, detail: explain(error) }))
  )
)
