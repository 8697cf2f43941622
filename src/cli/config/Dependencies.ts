import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The part of the tool table with the origin of the tools. The launcher has checked and unpacked the table. */
const Dependencies = Schema.fromJsonString(
  Schema.Struct({ dependencies: Schema.Record(Schema.String, Schema.Unknown) })
)

/**
 * Decodes sources and licences of the tools.
 *
 * @param table the tool table as JSON
 * @returns entries by name; fails with `SchemaError`
 */
export const decodeDependencies = (table: string) =>
  Effect.map(Schema.decodeUnknownEffect(Dependencies)(table), (decoded) => decoded.dependencies)
