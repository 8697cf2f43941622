/** How native programs reply to a request: `{"ok":…}` or `{"error":"…"}`, with the `id` of the request if it had one. */
import * as Schema from "effect/Schema"
import { printable } from "../Printable.ts"
import type { Malformed } from "./Codec.ts"

/** The fields of every reply. */
export const fields = {
  id: Schema.optionalKey(Schema.Int),
  ok: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(Schema.String),
  /** The number of a failed system call, if that is the error. */
  errno: Schema.optionalKey(Schema.Int)
}

/** The content of a reply that has none. */
export const Done = Schema.Struct({})

const most = 200

const short = (text: string): string => {
  const line = text.replace(/\s+/g, " ")
  return printable(line.length > most ? `${line.slice(0, most)}…` : line)
}

const problems = {
  head: "its line is too long",
  body: "its body is too long",
  line: "it is not a JSON object",
  content: "it is not UTF-8"
} as const

/** Why a message is malformed. */
export const problemOf = ({ reason }: Malformed): string => problems[reason]

/**
 * Describes a reply that is not valid.
 *
 * @param asked the operation of the request
 * @param got what came back
 * @param reason why it is not valid
 */
export const invalid = (asked: string, got: string, reason: string): string =>
  `the reply to '${asked}' is not valid (${short(reason)}): ${short(got)}`
