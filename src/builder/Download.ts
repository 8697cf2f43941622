import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { pathOfUrl } from "../FileUrl.ts"
import { explain } from "../NetworkFailure.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import type { Report } from "./Progress.ts"

/** Options of one download. */
export interface DownloadOptions {
  /** Limit in bytes. A larger file is rejected, whatever the headers say. */
  readonly limit: number
  readonly report?: Report
}

/** How long a server may send nothing. */
const timeout = "30 seconds"

const chunkSize = 1 << 20

const failed = (url: string, detail: string) => buildError("Unreachable", { url, detail })

/** Fetches files by their URL. */
export class Download extends Context.Service<Download, {
  /**
   * Writes the content of a URL (`http:`, `https:`, `file:`) to the file `path`. The content is not trusted: the caller has
   * to verify it. Fails with `BuildError` unless the reply is a success, complete and within the limit.
   */
  readonly fetch: (url: string, path: string, options: DownloadOptions) => Effect.Effect<void, BuildError>
}>()("flatimage/builder/Download") {
  static readonly layer = Layer.effect(
    Download,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const client = yield* HttpClient.HttpClient

      const store = <E>(
        url: string,
        path: string,
        bytes: Stream.Stream<Uint8Array, E>,
        total: number | undefined,
        { limit, report }: DownloadOptions,
        wrong: (error: E) => BuildError
      ) =>
        Effect.gen(function*() {
          const file = yield* fs.open(path, { flag: "w", mode: 0o644 }).pipe(atPath(path))
          let done = 0
          yield* Stream.runForEach(bytes.pipe(Stream.mapError(wrong)), (chunk) =>
            Effect.suspend(() => {
              done += chunk.length
              if (done > limit) return Effect.fail(failed(url, `it has more than ${limit} bytes`))
              return file.writeAll(chunk).pipe(
                atPath(path),
                Effect.andThen(report?.(done, total ?? limit) ?? Effect.void)
              )
            }))
          return done
        }).pipe(Effect.scoped)

      const local = Effect.fnUntraced(function*(url: string, path: string, options: DownloadOptions) {
        const from = pathOfUrl(url)
        if (from === undefined) return yield* failed(url, "it is not the URL of a local file")
        const info = yield* fs.stat(from).pipe(atPath(from))
        if (info.type !== "File") return yield* failed(url, "it is not a file")
        yield* store(
          url,
          path,
          fs.stream(from, { chunkSize }),
          Number(info.size),
          options,
          (error) => failed(url, error.message)
        )
      })

      const remote = Effect.fnUntraced(function*(url: string, path: string, options: DownloadOptions) {
        const response = yield* client.get(url).pipe(
          Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(failed(url, "the server is silent")) }),
          Effect.mapError((error) => error._tag === "BuildError" ? error : failed(url, explain(error)))
        )
        if (response.status !== 200) return yield* failed(url, `the server replied with status ${response.status}`)
        const length = response.headers["content-encoding"] === undefined
          ? response.headers["content-length"]
          : undefined
        const total = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
        if (total !== undefined && total > options.limit) {
          return yield* failed(url, `it has ${total} bytes, more than ${options.limit}`)
        }
        const bytes = response.stream.pipe(
          Stream.mapError((error) => failed(url, `the response was cut short: ${explain(error)}`)),
          Stream.timeoutOrElse({
            duration: timeout,
            orElse: () => Stream.fail(failed(url, "the server went silent in the middle of its response"))
          })
        )
        const done = yield* store(url, path, bytes, total, options, (error) => error)
        if (total !== undefined && done !== total) {
          return yield* failed(url, `the response was cut short after ${done} of ${total} bytes`)
        }
      })

      const fetch = Effect.fn("Download.fetch")(
        (url: string, path: string, options: DownloadOptions) =>
          url.startsWith("file:") ? local(url, path, options) : remote(url, path, options)
      )

      return Download.of({ fetch })
    })
  )
}
