import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Largest tool table in bytes. */
export const maxTableSize = 1_048_576

const Sha256 = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))

// Names are joined to the application directory and unpacked there: no separators, no "." or "..".
const ToolPath = Schema.String.check(Schema.isPattern(/^(bin|lib)\/[A-Za-z0-9_+][A-Za-z0-9._+-]{0,126}$/))
const AppletName = Schema.String.check(Schema.isPattern(/^(?!\.{1,2}$)[A-Za-z0-9._[+-]{1,63}$/))

const Size = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

/** One entry of the tool table. */
export const Tool = Schema.Struct({
  path: ToolPath,
  mode: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0o777 })),
  size: Size,
  sha256: Sha256,
  encoding: Schema.Literals(["zstd", "raw"]),
  /** Whether a start continues before this tool is unpacked, and waits only when it needs the tool. */
  later: Schema.optionalKey(Schema.Boolean)
})
export type Tool = typeof Tool.Type

/** Origin and licences of a program in the image. */
export const Dependency = Schema.Struct({
  version: Schema.String,
  source: Schema.String,
  sha: Sha256,
  licenses: Schema.Array(Schema.Struct({ type: Schema.String, url: Schema.String }))
})
export type Dependency = typeof Dependency.Type

const distinctPaths = Schema.makeFilter((tools: ReadonlyArray<Tool>) =>
  new Set(tools.map((tool) => tool.path)).size === tools.length || "a path is named twice"
)

/** The tool table of an image: see docs/format.md. */
export const ToolTable = Schema.Struct({
  format: Schema.Literal(1),
  version: Schema.String.check(Schema.isPattern(/^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]{1,32})?$/)),
  commit: Schema.String.check(Schema.isPattern(/^[0-9a-f]{7}$/)),
  timestamp: Schema.String.check(Schema.isPattern(/^[0-9]{14}$/)),
  tools: Schema.Array(Tool).check(distinctPaths),
  applets: Schema.Array(AppletName),
  dependencies: Schema.Record(Schema.String, Dependency)
})
export type ToolTable = typeof ToolTable.Type

/** A tool table that is not valid. */
export class ManifestError extends Data.TaggedError("ManifestError")<{
  readonly reason: "TooLarge" | "NotUtf8" | "Invalid"
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}

const json = Schema.fromJsonString(ToolTable)
const decodeJson = Schema.decodeUnknownResult(json)
const encodeJson = Schema.encodeSync(json)

const tooLarge = (size: number) =>
  new ManifestError({ reason: "TooLarge", detail: `the tool table has ${size} bytes, more than ${maxTableSize}` })

/**
 * Decodes a tool table.
 *
 * @param bytes any bytes: its blob, without the size field
 * @returns the table, or a `ManifestError`
 */
export const decode = (bytes: Uint8Array): Result.Result<ToolTable, ManifestError> => {
  if (bytes.length > maxTableSize) return Result.fail(tooLarge(bytes.length))
  return Result.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => new ManifestError({ reason: "NotUtf8", detail: "the tool table is not UTF-8" })
  }).pipe(
    Result.flatMap((text) =>
      Result.mapError(
        decodeJson(text),
        (error) =>
          new ManifestError({
            reason: "Invalid",
            detail: `the tool table is not valid: ${error.message}`,
            cause: error
          })
      )
    )
  )
}

/** Encodes a tool table, without the size field. Fails with `ManifestError` above {@link largestTable} bytes. */
export const encode = (table: ToolTable): Result.Result<Uint8Array, ManifestError> => {
  const bytes = new TextEncoder().encode(encodeJson(table))
  return bytes.length > maxTableSize ? Result.fail(tooLarge(bytes.length)) : Result.succeed(bytes)
}
