/** Requests of the guest through the portal, and the replies of the boot program. `docs/decisions/0008-portal.md`. */
import * as Schema from "effect/Schema"

/** The most arguments, and the most variables, of one request. */
const countLimit = 1024 * 1024

/** A byte string without zero bytes: neither arguments nor variables of a program can contain them. */
const Bytes = Schema.String.check(
  // eslint-disable-next-line no-control-regex
  Schema.makeFilter((text) => /^[\u0001-\u00ff]*$/.test(text), { expected: "characters from U+0001 to U+00FF" })
)

/** Names of calls are names of directories. */
const Call = Schema.String.check(
  Schema.makeFilter((name) => /^[0-9a-z-]{1,64}$/.test(name), { expected: "1 to 64 small letters, digits and dashes" })
)

const list = <S extends Schema.Top>(item: S) =>
  Schema.Array(item).check(
    Schema.makeFilter((items: ReadonlyArray<S["Type"]>) => items.length <= countLimit, {
      expected: `at most ${countLimit} items`
    })
  )

const cells = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))

/** A command that the guest requests. Arguments, variables and the directory are byte strings, see `ByteString`. */
export const Request = Schema.Struct({
  kind: Schema.Literal("request"),
  call: Call,
  words: list(Bytes).check(
    Schema.makeFilter((words) => words.length > 0 && words[0] !== "", { expected: "the name of a program" })
  ),
  /** `NAME=value` each. */
  environment: list(Bytes.check(
    Schema.makeFilter((variable) => variable.indexOf("=") > 0, { expected: "NAME=value" })
  )),
  directory: Bytes,
  streams: Schema.Tuple([
    Schema.Literals(["pipe", "terminal", "null"]),
    Schema.Literals(["pipe", "terminal", "null"]),
    Schema.Literals(["pipe", "terminal", "null", "output"])
  ]),
  terminal: Schema.NullOr(Schema.Struct({ rows: cells, columns: cells })),
  detached: Schema.Boolean
}).check(
  Schema.makeFilter(
    (request) => (request.streams as ReadonlyArray<string>).includes("terminal") === (request.terminal !== null),
    { expected: "the size of a terminal where a stream is one" }
  )
)
export type Request = typeof Request.Type

/** A message of the native process: it is ready, or a guest requests a command. */
const DaemonMessage = Schema.fromJsonString(Schema.Union([Schema.Struct({ kind: Schema.Literal("ready") }), Request]))

/**
 * Parses a message. Rejects unknown fields.
 *
 * @param head its JSON
 * @returns the message; fails with a schema error
 */
export const decode = (head: string) => Schema.decodeUnknownEffect(DaemonMessage)(head, { onExcessProperty: "error" })

/** The reply to a request. */
export type Decision =
  | {
    readonly kind: "start"
    readonly call: string
    /** The whole environment of the command, `NAME=value` each. */
    readonly environment: ReadonlyArray<string>
    /** Working directories, best first. */
    readonly directories: ReadonlyArray<string>
    /** Whether it holds for every request with this program, directory and environment, so that it can be cached. */
    readonly lasting: boolean
  }
  | { readonly kind: "refuse"; readonly call: string; readonly code: number; readonly lines: ReadonlyArray<string> }
