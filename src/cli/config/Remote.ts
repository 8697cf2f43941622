/** fim-remote: the URL of recipes. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { CommandError, usageError } from "./CommandError.ts"
import { printJson, printLines } from "./Output.ts"

export const set = Effect.fn("fim-remote.set")(function*({ url }: { readonly url: string }) {
  if (!/^(?:https?|file):\/\/./i.test(url)) {
    return yield* usageError(
      `'${url}' is not a URL of recipes`,
      "A URL begins with 'http://', 'https://' or 'file://'"
    )
  }
  yield* (yield* ReservedSpace).write("remote", url)
  yield* Effect.logInfo(`Set remote URL to '${url}'`)
})

export const show = Effect.fn("fim-remote.show")(function*({ json }: { readonly json: boolean }) {
  const url = yield* (yield* ReservedSpace).read("remote")
  if (url === undefined) {
    return yield* new CommandError({
      text: "No remote URL configured",
      hint: "'fim-remote set <url>' configures one",
      context: "Could not show the remote URL"
    })
  }
  yield* json ? printJson({ url }) : printLines([url])
})

export const clear = Effect.fn("fim-remote.clear")(function*() {
  yield* (yield* ReservedSpace).write("remote", undefined)
  yield* Effect.logInfo("Cleared remote URL")
})
