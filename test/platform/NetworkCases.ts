/** What comes of fetching addresses, one after the other, as text. It runs on each platform. */
import * as Effect from "effect/Effect"
import { fetchBytes } from "../../src/Fetch.ts"
import * as Utf8 from "../../src/Utf8.ts"

export const fetchAll = (urls: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>> =>
  Effect.forEach(urls, (url) =>
    fetchBytes(url, { bytes: 1000, time: "3 seconds", redirects: 3 }).pipe(
      Effect.map((bytes) => Utf8.decode(bytes)),
      Effect.catch(({ message }) => Effect.succeed(message.replace(/^Could not download '[^']*': /, "failed: ")))
    ))
