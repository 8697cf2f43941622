/** The schema of a desktop set-up: the file of `fim-desktop setup`, and a part of recipes. Pure. */
import * as Schema from "effect/Schema"
import { desktopKeys, Text } from "../image/Settings.ts"
import { integrationNames } from "../image/SettingsDefaults.ts"

/** The document of a set-up. */
export const SetupDocument = Schema.Struct({
  name: Text,
  /** A path or an HTTP URL. */
  icon: Text.check(Schema.isNonEmpty()),
  categories: Schema.Array(Text),
  integrations: Schema.optionalKey(Schema.Array(Schema.Literals(integrationNames))),
  ...desktopKeys
})
export type SetupDocument = typeof SetupDocument.Type
