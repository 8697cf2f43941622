/** Fetches files from servers, which are not trusted: they may send too much, too slowly, or nothing. Loaded when needed. */
import * as Bytes from "effect/Bytes"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
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
  readonly cause?: unknown
}> {
  override get message(): string {
    return `Could not download '${this.url}': ${this.detail}`
  }
}

export interface Limits {
  /** Of the body. */
  readonly bytes: number
  /** From the first connection to the last byte. Unlimited if absent. */
  readonly time?: Duration.Input
  /** How long a server may send nothing. Unlimited if absent. */
  readonly silence?: Duration.Input
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

const isSilent = (url: string) => new FetchError({ url, detail: "the server is silent: try again later" })

const fetchWithin = Effect.fnUntraced(function*<E, R>(
  url: string,
  limits: Limits,
  take: (chunk: Uint8Array) => Effect.Effect<unknown, E, R>,
  report: Report
) {
  const failed = (detail: string) => new FetchError({ url, detail })
  const duration = limits.silence ?? Duration.infinity
  const http = HttpClient.followRedirects(yield* client, limits.redirects)
  const response = yield* Effect.timeoutOrElse(http.get(url), { duration, orElse: () => Effect.fail(isSilent(url)) })
  if (response.status >= 300 && response.status < 400) {
    return yield* failed(`it leads on to another address more than ${limits.redirects} times`)
  }
  if (response.status !== 200) return yield* failed(`the server answered with ${response.status}`)
  const tooLarge = failed(`it has more than ${limits.bytes} bytes`)
  // Of what is compressed on the way this is another size; nothing of ours asks for that.
  const length = response.headers["content-encoding"] === undefined ? response.headers["content-length"] : undefined
  const total = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
  if ((total ?? 0) > limits.bytes) return yield* tooLarge
  let size = 0
  yield* response.stream.pipe(
    Stream.timeoutOrElse({ duration, orElse: () => Stream.fail(isSilent(url)) }),
    Stream.runForEach((chunk): Effect.Effect<void, E | FetchError, R> => {
      size += chunk.length
      return size > limits.bytes ? Effect.fail(tooLarge) : Effect.andThen(take(chunk), report(size, total))
    })
  )
  if (total !== undefined && size !== total) return yield* failed(`it ended after ${size} bytes of ${total}`)
  return size
})

/**
 * Fetches the body at a URL, and gives its pieces to `take` in their order.
 *
 * @param url `http:` or `https:`
 * @param limits of the body, the time and the redirects
 * @param take receives each piece
 * @param report is told of the progress
 * @returns the size in bytes; fails with `FetchError` beyond the limits, and for every reply but the whole file, or as `take` does
 */
export const fetchTo = <E, R>(
  url: string,
  limits: Limits,
  take: (chunk: Uint8Array) => Effect.Effect<unknown, E, R>,
  report: Report = () => Effect.void
) =>
  fetchWithin(
    url,
    limits,
    (chunk) => Effect.mapError(take(chunk), (error) => ({ _tag: "Untaken", error }) as const),
    report
  ).pipe(
    Effect.scoped,
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    Effect.updateService(FetchHttpClient.Fetch, onlyHttp),
    Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
    Effect.timeoutOrElse({
      duration: limits.time ?? Duration.infinity,
      orElse: () => Effect.fail(new FetchError({ url, detail: "it took too long: check the network, or try again" }))
    }),
    Effect.mapError((error): FetchError | E => {
      if (error._tag === "Untaken") return error.error
      return error._tag === "FetchError" ? error : new FetchError({ url, detail: explain(error), cause: error })
    })
  )

/** The body at a URL, which must not be empty. See `fetchTo`. */
export const fetchBytes = Effect.fn("Fetch.fetchBytes")(function*(url: string, limits: Limits, report?: Report) {
  const chunks: Array<Uint8Array> = []
  const size = yield* fetchTo(url, limits, (chunk) => Effect.sync(() => chunks.push(chunk)), report)
  if (size === 0) return yield* new FetchError({ url, detail: "it ended after 0 bytes" })
  return Bytes.concat(chunks)
})
