import type { Overlay } from "../image/SettingsDefaults.ts"

/** Names in the log, those of the original FlatImage. */
export const logNames: Readonly<Record<Overlay, string>> = {
  bwrap: "BWRAP",
  overlayfs: "FUSE_OVERLAYFS",
  unionfs: "UNIONFS_FUSE"
}

/**
 * Lists the overlay types to try in turn: the requested one, then those that need less of the kernel.
 *
 * @param asked the requested type
 * @param lacking what the host lacks: without FUSE only the kernel's overlay works; without namespaces only the others work, and
 *   only for the caller, so the requested one is tried once more
 * @returns the types, first choice first
 */
export const candidates = (asked: Overlay, lacking?: "fuse" | "namespaces"): Array<Overlay> => {
  if (lacking === "fuse") return asked === "bwrap" ? ["bwrap"] : [asked, "bwrap"]
  if (lacking === "namespaces" && asked !== "bwrap") return [asked, ...candidates(asked)]
  const all = ["bwrap", "overlayfs", "unionfs"] as const
  return all.slice(all.indexOf(asked))
}

/**
 * Explains why there is no overlay, and what to do.
 *
 * @param said the error of the last type that was tried
 * @param withoutFuse why there is no FUSE; absent if there is
 * @returns the message
 */
export const refusal = (said: string, withoutFuse: string | undefined): { readonly message: string } => ({
  message: withoutFuse === undefined ? said : `${said}; the other types of overlay need /dev/fuse (${withoutFuse}): \
make it available (for a container: --device /dev/fuse), or, if the data directory lies on an overlay itself, \
set FIM_DIR_DATA to a directory on another file system`
})

/** Mount point of the merged layers, relative to the instance directory. */
const lower = "layers/0"

/**
 * Builds the command line of a program that serves an overlay through FUSE, in the foreground and in the directory of the
 * instance. Its paths are relative, so they need no escape, whatever the paths of image and data directory are.
 *
 * @param options type, loader and library directory for dynamic tools, directory of the tools, and name of the instance
 * @returns the arguments, the program first
 */
export const serverArguments = (options: {
  readonly type: "overlayfs" | "unionfs"
  readonly loader: string
  readonly lib: string
  readonly bin: string
  readonly instance: string
  /** Whether processes of other users may use it. The host's fusermount3 may refuse that. */
  readonly others: boolean
}): ReadonlyArray<string> => {
  const others = options.others ? ["allow_other"] : []
  const start = [options.loader, "--library-path", options.lib]
  if (options.type === "overlayfs") {
    const directories = [`lowerdir=${lower}`, `upperdir=data/data`, `workdir=data/work/${options.instance}`]
    const mount = [...directories, ...others, "noacl", "writeback=0"].join(",")
    return [...start, `${options.bin}/fuse-overlayfs`, "-f", "-o", mount, "mount"]
  }
  const mount = ["cow", "hide_meta_files", ...others, "use_ino", "default_permissions"].join(",")
  return [...start, `${options.bin}/unionfs`, "-f", "-o", mount, `data/data=RW:${lower}=RO`, "mount"]
}
