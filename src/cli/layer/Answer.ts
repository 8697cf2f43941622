/** Answers of `fim commit` and `fim merge`: `{"ok":…}` or `{"error":"…"}`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Answer = Schema.fromJsonString(
  Schema.Struct({ ok: Schema.optionalKey(Schema.Unknown), error: Schema.optionalKey(Schema.String) })
)

/** What is in an answer of `applet`. Fails with a sentence: the one that it holds, or that it makes no sense. */
export const decodeAnswer = Effect.fnUntraced(function*<A>(
  applet: string,
  line: string,
  content: Schema.Codec<A, unknown>
) {
  const senseless = () =>
    line === "" ? `'${applet}' ended without an answer` : `'${applet}' gave an answer that makes no sense: ${line}`
  const { error, ok } = yield* Schema.decodeUnknownEffect(Answer)(line).pipe(Effect.mapError(senseless))
  if (error !== undefined) return yield* Effect.fail(error)
  return yield* Schema.decodeUnknownEffect(content)(ok).pipe(Effect.mapError(senseless))
})
