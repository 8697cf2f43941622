/** Replies of `fim commit` and `fim merge`: `{"ok":…}` or `{"error":"…"}`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Answer = Schema.fromJsonString(
  Schema.Struct({ ok: Schema.optionalKey(Schema.Unknown), error: Schema.optionalKey(Schema.String) })
)

/**
 * Decodes a reply.
 *
 * @param applet the program, for messages
 * @param line the reply
 * @param content schema of what `ok` contains
 * @returns the content; fails with a message: the reported error, or that the reply is not valid
 */
export const decodeAnswer = Effect.fnUntraced(function*<A>(
  applet: string,
  line: string,
  content: Schema.Codec<A, unknown>
) {
  const invalid = () =>
    line === "" ? `'${applet}' ended without an answer` : `'${applet}' gave an answer that makes no sense: ${line}`
  const { error, ok } = yield* Schema.decodeUnknownEffect(Answer)(line).pipe(Effect.mapError(invalid))
  if (error !== undefined) return yield* Effect.fail(error)
  return yield* Schema.decodeUnknownEffect(content)(ok).pipe(Effect.mapError(invalid))
})
