import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The part of the tool table that says where the tools are from. The launcher has checked and unpacked it. */
const Dependencies = Schema.fromJsonString(
  Schema.Struct({ dependencies: Schema.Record(Schema.String, Schema.Unknown) })
)

/** Sources and licences of the tools. In: the tool table as JSON. Fails with `SchemaError`. */
export const decodeDependencies = (table: string) =>
  Effect.map(Schema.decodeUnknownEffect(Dependencies)(table), (decoded) => decoded.dependencies)
