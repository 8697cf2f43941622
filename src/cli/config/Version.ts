/** fim-version: how this image was made. */
import * as Effect from "effect/Effect"
import { versionName } from "../../relocate/OwnVariables.ts"
import { BuildInfo } from "./BuildInfo.ts"
import { printJson, printLines } from "./Output.ts"

export const short = Effect.fn("fim-version.short")(function*({ json }: { readonly json: boolean }) {
  const name = versionName((yield* BuildInfo).version)
  yield* json ? printJson(name) : printLines([name])
})

export const full = Effect.fn("fim-version.full")(function*() {
  const build = yield* BuildInfo
  yield* printJson({
    COMMIT: build.commit,
    DISTRIBUTION: yield* build.distribution,
    TIMESTAMP: build.timestamp,
    VERSION: versionName(build.version)
  })
})

export const deps = Effect.fn("fim-version.deps")(function*() {
  yield* printJson(yield* (yield* BuildInfo).dependencies)
})
