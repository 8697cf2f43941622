/** The changes that a start makes to the settings of its image: the user's overrides and the options of `fim-run`. The file stays unchanged. */
import * as Context from "effect/Context"
import type { Binding, Settings } from "./Settings.ts"
import type { Permission } from "./SettingsDefaults.ts"

/** Changes for one start. */
export interface Changes {
  readonly allow: ReadonlyArray<Permission>
  /** Permissions that this start does not have, whoever grants them. */
  readonly deny: ReadonlyArray<Permission>
  /**
   * Binds in addition to those of the image. Paths are absolute. Neither paths nor values of variables are expanded. A missing source
   * is an error unless the bind is `optional`.
   */
  readonly bindings: ReadonlyArray<Binding & { readonly optional?: boolean }>
  readonly environment: Readonly<Record<string, string>>
  /** The program's working directory in the guest; by default the caller's own directory, if the guest sees it. */
  readonly directory: string | undefined
}

const none: Changes = { allow: [], deny: [], bindings: [], environment: {}, directory: undefined }

/** The changes of this start; none by default. */
export const RunChanges = Context.Reference<Changes>("flatimage/image/RunChanges", { defaultValue: () => none })

/**
 * Applies the permissions of this start to the settings. The sandbox applies the other changes, in which nothing is
 * expanded.
 *
 * @param settings those of the image
 * @param changes those of this start: `allow` and `deny`
 * @returns the settings of the run
 */
export const changed = (settings: Settings, { allow, deny }: Changes): Settings => ({
  ...settings,
  permissions: [...new Set([...settings.permissions, ...allow])].filter((name) => !deny.includes(name)).sort()
})
