/** Reads recipes from an untrusted server, a directory, or the cache. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { Report } from "../Fetch.ts"
import { pathOfUrl } from "../FileUrl.ts"
import { limits } from "./Recipe.ts"
import { RecipeError } from "./RecipeError.ts"

const time = "30 seconds"
const redirects = 5

/** Reads the texts of recipes. */
export class RecipeSource extends Context.Service<RecipeSource, {
  /** The content of a URL of `http:`, `https:` or `file:`. */
  readonly fetch: (url: string, report: Report) => Effect.Effect<string, RecipeError>
  /** The content of a file; `undefined` if it does not exist. */
  readonly read: (path: string) => Effect.Effect<string | undefined, RecipeError>
}>()("flatimage/recipe/RecipeSource") {
  static readonly layer: Layer.Layer<RecipeSource, never, FileSystem.FileSystem> = Layer.effect(
    RecipeSource,
    Effect.suspend(() => make())
  )
}

/** Decodes UTF-8. Fails with `Content`. */
const textOf = (bytes: Uint8Array): Effect.Effect<string, RecipeError> =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => new RecipeError({ reason: "Content", detail: "Could not parse json file", hint: "it is not UTF-8" })
  })

const make = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem

  const readFile = Effect.fnUntraced(
    function*(path: string) {
      // Checked before it is opened: a FIFO would wait for a writer, and a device may have no end.
      const info = yield* fs.stat(path)
      if (info.type !== "File") return yield* new RecipeError({ reason: "Files", detail: `'${path}' is not a file` })
      const file = yield* fs.open(path)
      const bytes = new Uint8Array(limits.bytes + 1)
      let size = 0
      while (size < bytes.length) {
        const read = Number(yield* file.read(bytes.subarray(size), { position: BigInt(size) }))
        if (read === 0) break
        size += read
      }
      if (size > limits.bytes) {
        return yield* new RecipeError({ reason: "Files", detail: `'${path}' has more than ${limits.bytes} bytes` })
      }
      return yield* textOf(bytes.subarray(0, size))
    },
    Effect.scoped
  )

  return RecipeSource.of({
    fetch: Effect.fn("RecipeSource.fetch")(function*(url, report) {
      if (/^file:/i.test(url)) {
        const path = pathOfUrl(url)
        const failed = (detail: string) =>
          new RecipeError({ reason: "Fetch", detail: `Could not read '${url}': ${detail}` })
        if (path === undefined) return yield* failed("it names no file of this machine")
        return yield* readFile(path).pipe(
          Effect.catchTag("PlatformError", (error) => Effect.fail(failed(error.message)))
        )
      }
      const { fetchBytes } = yield* Effect.promise(() => import("../Fetch.ts"))
      const bytes = yield* fetchBytes(url, { bytes: limits.bytes, time, redirects }, report).pipe(
        Effect.mapError(({ message }) => new RecipeError({ reason: "Fetch", detail: message }))
      )
      return yield* textOf(bytes)
    }),
    read: Effect.fn("RecipeSource.read")((path) =>
      readFile(path).pipe(
        Effect.catchTag("PlatformError", (error) =>
          error.reason._tag === "NotFound"
            ? Effect.succeed(undefined)
            : new RecipeError({ reason: "Files", detail: `Could not read '${path}': ${error.message}`, cause: error }))
      )
    )
  })
})
