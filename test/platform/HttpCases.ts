/** Requests by Effect's client on `fetch`, with what comes of them. `base` is the address of the server in `Http.test.ts`. */
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Stream from "effect/Stream"

type HttpCase = readonly [name: string, (base: string) => Effect.Effect<unknown, unknown, HttpClient.HttpClient>]

const get = (path: string) => (base: string) =>
  Effect.flatMap(HttpClient.HttpClient, (http) => http.get(`${base}${path}`))

const sizeOf = (base: string, path: string) =>
  Effect.flatMap(get(path)(base), ({ stream }) => Stream.runFold(stream, () => 0, (sum, { length }) => sum + length))

const cases: ReadonlyArray<HttpCase> = [
  [
    "a body and headers",
    (base) =>
      Effect.flatMap(get("/text?a=ä%20b&c=1+2")(base), (response) =>
        Effect.map(response.text, (text) => [
          response.status,
          text,
          response.headers["x-twice"],
          response.headers["content-type"]
        ]))
  ],
  ["an answer without a body", (base) => Effect.map(get("/none")(base), ({ status }) => status)],
  ["an error of the server", (base) => Effect.map(get("/error")(base), ({ status }) => status)],
  [
    "an answer that leads elsewhere",
    (base) => Effect.map(get("/moved")(base), ({ headers, status }) => [status, headers["location"]])
  ],
  ["8 MiB", (base) => sizeOf(base, "/large")],
  ["a body in pieces without a length", (base) => sizeOf(base, "/pieces")],
  ["a body that is cut", (base) => Effect.map(Effect.exit(sizeOf(base, "/cut")), ({ _tag }) => _tag)],
  [
    "an answer that never comes",
    (base) => Effect.map(Effect.timeoutOption(get("/never")(base), "200 millis"), ({ _tag }) => _tag)
  ],
  [
    "a body that never ends",
    (base) => Effect.map(Effect.timeoutOption(sizeOf(base, "/endless"), "200 millis"), ({ _tag }) => _tag)
  ],
  [
    "the first bytes of a body that never ends",
    (base) =>
      Effect.flatMap(get("/endless")(base), ({ stream }) => Stream.runHead(stream)).pipe(Effect.map(({ _tag }) => _tag))
  ],
  ["nobody who listens", () => Effect.map(Effect.exit(get("/")("http://127.0.0.1:1")), ({ _tag }) => _tag)],
  [
    "a host that is not there",
    () => Effect.map(Effect.exit(get("/")("http://there.is.none.invalid")), ({ _tag }) => _tag)
  ],
  ["many at once", (base) =>
    Effect.forEach(Array.from({ length: 12 }, () => "/pieces"), (path) => sizeOf(base, path), {
      concurrency: "unbounded"
    })]
]

/** Pairs of names and outcomes. */
export const outcomes = (base: string): Effect.Effect<ReadonlyArray<readonly [string, unknown]>> =>
  Effect.forEach(cases, ([name, request]) =>
    Effect.map(
      Effect.orElseSucceed(Effect.timeout(request(base), "10 seconds"), () => "it failed"),
      (value) => [name, value] as const
    )).pipe(
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.provide(FetchHttpClient.layer)
    )
