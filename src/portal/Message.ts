/** What comes from the guest through the portal, and what the boot program answers. `docs/decisions/0008-portal.md`. */
import * as Schema from "effect/Schema"
import * as Utf8 from "../Utf8.ts"

/** Most words and variables of one request. */
const countLimit = 1024 * 1024

/** A text whose characters are bytes, none of them zero: no program could be given that. */
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

/** A command that the guest asks for. Words, variables and the directory are bytes, see `ByteString`. */
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

/** What the native part of the daemon says: that it listens, or what a guest asks for. */
const Said = Schema.fromJsonString(Schema.Union([Schema.Struct({ kind: Schema.Literal("ready") }), Request]))

/** Checks a payload. Unknown fields are wrong too. */
export const decode = (payload: Uint8Array) =>
  Schema.decodeUnknownEffect(Said)(Utf8.decode(payload), { onExcessProperty: "error" })

/** What becomes of a request. */
export type Decision =
  | {
    readonly kind: "start"
    readonly call: string
    /** `NAME=value` each, all that the command gets. */
    readonly environment: ReadonlyArray<string>
    /** Working directories, best first. */
    readonly directories: ReadonlyArray<string>
    /** It holds for every request with this program, directory and environment: nobody has to ask again. */
    readonly lasting: boolean
  }
  | { readonly kind: "refuse"; readonly call: string; readonly code: number; readonly lines: ReadonlyArray<string> }
