/** What one start changes in the settings of its image. The image stays as it is. */
import * as Context from "effect/Context"
import type { Binding, Settings } from "./Settings.ts"
import type { Permission } from "./SettingsDefaults.ts"

export interface Changes {
  readonly allow: ReadonlyArray<Permission>
  /** Withdrawn, whoever grants them. */
  readonly deny: ReadonlyArray<Permission>
  /** On top of those of the image. Paths are absolute and stand for themselves, as values of variables do. */
  readonly bindings: ReadonlyArray<Binding>
  readonly environment: Readonly<Record<string, string>>
  /** Where the program starts, in the guest; by default in the caller's own directory, if the guest sees it. */
  readonly directory: string | undefined
}

const none: Changes = { allow: [], deny: [], bindings: [], environment: {}, directory: undefined }

/** The changes of this start; none unless the caller asks for some. */
export const RunChanges = Context.Reference<Changes>("flatimage/image/RunChanges", { defaultValue: () => none })

/** The settings with the permissions of this start. The sandbox adds the rest, in which nothing is expanded. */
export const changed = (settings: Settings, { allow, deny }: Changes): Settings => ({
  ...settings,
  permissions: [...new Set([...settings.permissions, ...allow])].filter((name) => !deny.includes(name)).sort()
})
