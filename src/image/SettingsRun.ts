/** The file system settings of one run: the stored ones, unless `FIM_OVERLAY` and `FIM_CASEFOLD` override them. */
import type { Variables } from "./Expand.ts"
import type { Settings } from "./Settings.ts"
import { type Overlay, overlayNames } from "./SettingsDefaults.ts"

/** How the root tree of a run is mounted. */
export interface RunFilesystem {
  readonly overlay: Overlay
  readonly casefold: boolean
  /** A warning if the run uses another overlay than the requested one. */
  readonly warning: string | undefined
}

/**
 * The file system settings of one run.
 *
 * @param settings the stored ones
 * @param variables the caller's environment
 * @returns the overlay and case folding to use
 */
export const runFilesystem = (
  settings: Pick<Settings, "overlay" | "casefold">,
  variables: Variables
): RunFilesystem => {
  const requested = overlayNames.find((name) => name === variables["FIM_OVERLAY"]) ?? settings.overlay
  const casefold = variables["FIM_CASEFOLD"] === "1" || settings.casefold
  return casefold && requested === "bwrap"
    ? {
      overlay: "unionfs",
      casefold,
      warning: "casefold cannot be used with bwrap overlayfs, falling back to unionfs"
    }
    : { overlay: requested, casefold, warning: undefined }
}
