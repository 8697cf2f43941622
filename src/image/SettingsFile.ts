/** All settings of an image as one JSON document, to move them from image to image. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { toJson } from "./Json.ts"
import { type Fields, Icon, Settings } from "./Settings.ts"

const { desktop: _desktop, remote: _remote, ...plain } = Settings.fields

/** An import does not touch a missing field, and clears a field that is `null`. */
const Document = Schema.Struct({
  format: Schema.Literal(1),
  settings: Schema.Struct({
    ...plain,
    desktop: Schema.NullOr(Settings.fields.desktop.members[0]),
    remote: Schema.NullOr(Settings.fields.remote.members[0]),
    icon: Schema.NullOr(
      Schema.Struct({ extension: Icon.fields.extension, data: Schema.Uint8ArrayFromBase64 }).pipe(Schema.decodeTo(Icon))
    )
  }).mapFields((fields) => ({
    permissions: Schema.optionalKey(fields.permissions),
    notify: Schema.optionalKey(fields.notify),
    overlay: Schema.optionalKey(fields.overlay),
    casefold: Schema.optionalKey(fields.casefold),
    desktop: Schema.optionalKey(fields.desktop),
    boot: Schema.optionalKey(fields.boot),
    icon: Schema.optionalKey(fields.icon),
    environment: Schema.optionalKey(fields.environment),
    bindings: Schema.optionalKey(fields.bindings),
    remote: Schema.optionalKey(fields.remote),
    unshare: Schema.optionalKey(fields.unshare),
    extension: Schema.optionalKey(fields.extension)
  }))
})

const encodeDocument = Schema.encodeUnknownResult(Document)
const decodeDocument = Schema.decodeUnknownResult(Schema.fromJsonString(Document), { onExcessProperty: "error" })

/** The document with all settings. Fails with the problem. */
export const encodeSettings = (settings: Fields): Result.Result<string, string> =>
  encodeDocument({
    format: 1,
    settings: {
      ...settings,
      // Not the identity: an import keeps that of the target image.
      extension: {
        distribution: settings.extension.distribution,
        portal: settings.extension.portal,
        ...(settings.extension.container === undefined ? {} : { container: settings.extension.container })
      },
      desktop: settings.desktop ?? null,
      remote: settings.remote ?? null,
      icon: settings.icon ?? null
    }
  }).pipe(
    Result.map((document) => `${toJson(document, 2)}\n`),
    Result.mapError((error) => error.message)
  )

/** The fields that the document contains. Fails with the problem. */
export const decodeSettings = (text: string): Result.Result<Partial<Fields>, string> =>
  decodeDocument(text).pipe(
    Result.map(({ settings }) =>
      Object.fromEntries(Object.entries(settings).map(([field, value]) => [field, value ?? undefined])) as Partial<
        Fields
      >
    ),
    Result.mapError((error) => error.message)
  )
