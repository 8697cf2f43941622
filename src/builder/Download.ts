import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { fetchTo } from "../Fetch.ts"
import { pathOfUrl } from "../FileUrl.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import type { Report } from "./Progress.ts"

/** Options of one download. */
export interface DownloadOptions {
  /** Limit in bytes. A larger file is rejected, whatever the headers say. */
  readonly limit: number
  readonly report?: Report
}

const limits = { silence: "30 seconds", redirects: 10 } as const

const chunkSize = 1 << 20

const silent: Report = () => Effect.void

const failed = (url: string, detail: string, cause?: unknown) => buildError("Unreachable", { url, detail }, cause)

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

      /** Opens a new file, and returns a function that appends to it. */
      const create = Effect.fnUntraced(function*(path: string) {
        const file = yield* fs.open(path, { flag: "w", mode: 0o644 }).pipe(atPath(path))
        return (chunk: Uint8Array) => file.writeAll(chunk).pipe(atPath(path))
      })

      const local = Effect.fnUntraced(
        function*(url: string, path: string, { limit, report = silent }: DownloadOptions) {
          const from = pathOfUrl(url)
          if (from === undefined) return yield* failed(url, "it is not the URL of a local file")
          const info = yield* fs.stat(from).pipe(atPath(from))
          if (info.type !== "File") return yield* failed(url, "it is not a file")
          const put = yield* create(path)
          let done = 0
          yield* fs.stream(from, { chunkSize }).pipe(
            Stream.mapError((error) => failed(url, error.message, error)),
            Stream.runForEach((chunk) => {
              done += chunk.length
              return done > limit
                ? Effect.fail(failed(url, `it has more than ${limit} bytes`))
                : Effect.andThen(put(chunk), report(done, Number(info.size)))
            })
          )
        },
        Effect.scoped
      )

      const remote = Effect.fnUntraced(
        function*(url: string, path: string, { limit, report = silent }: DownloadOptions) {
          const put = yield* create(path)
          yield* fetchTo(url, { ...limits, bytes: limit }, put, (done, total) => report(done, total ?? limit)).pipe(
            Effect.catchTag("FetchError", (error) => Effect.fail(failed(url, error.detail, error)))
          )
        },
        Effect.scoped
      )

      const fetch = Effect.fn("Download.fetch")(
        (url: string, path: string, options: DownloadOptions) =>
          url.startsWith("file:") ? local(url, path, options) : remote(url, path, options)
      )

      return Download.of({ fetch })
    })
  )
}
