/** Replies of `fim commit` and `fim merge`: `{"ok":…}` or `{"error":"…"}`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Reply = Schema.fromJsonString(
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
export const decodeReply = Effect.fnUntraced(function*<A>(
  applet: string,
  line: string,
  content: Schema.Codec<A, unknown>
) {
  const invalid = () =>
    line === "" ? `'${applet}' ended without a reply` : `'${applet}' gave a reply that is not valid: ${line}`
  const { error, ok } = yield* Schema.decodeUnknownEffect(Reply)(line).pipe(Effect.mapError(invalid))
  if (error !== undefined) return yield* Effect.fail(error)
  return yield* Schema.decodeUnknownEffect(content)(ok).pipe(Effect.mapError(invalid))
})
