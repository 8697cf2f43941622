import type { Overlay } from "../image/SettingsDefaults.ts"

/** Names as they have always been said in the log. */
export const logNames: Readonly<Record<Overlay, string>> = {
  bwrap: "BWRAP",
  overlayfs: "FUSE_OVERLAYFS",
  unionfs: "UNIONFS_FUSE"
}

/**
 * What to try in turn: the type asked for, and behind it those that need less of the kernel. `lacking` names what the host
 * lacks: without FUSE only the kernel's own is left, and without namespaces that one is not possible, and the others only
 * for the caller himself, which is tried once more.
 */
export const candidates = (asked: Overlay, lacking?: "fuse" | "namespaces"): Array<Overlay> => {
  if (lacking === "fuse") return asked === "bwrap" ? ["bwrap"] : [asked, "bwrap"]
  if (lacking === "namespaces" && asked !== "bwrap") return [asked, ...candidates(asked)]
  const all = ["bwrap", "overlayfs", "unionfs"] as const
  return all.slice(all.indexOf(asked))
}

/**
 * Why there is no overlay, and what to do. In: what was said of the last type that was tried, and why there is no FUSE, where
 * that is so.
 */
export const refusal = (said: string, withoutFuse: string | undefined): { readonly message: string } => ({
  message: withoutFuse === undefined ? said : `${said}; the other types of overlay need /dev/fuse (${withoutFuse}): \
make it available (for a container: --device /dev/fuse), or, if the data directory lies on an overlay itself, \
set FIM_DIR_DATA to a directory on another file system`
})

/** Where the janitor mounts what all layers show together, relative to the instance. */
const lower = "layers/0"

/**
 * The command line of a program that serves an overlay through FUSE, in the foreground and in the directory of the
 * instance. In: how dynamic tools are started, and the name of the instance. All paths are relative
 * and made of letters that need no escape, whatever the paths of image and data directory are.
 */
export const serverArguments = (options: {
  readonly type: "overlayfs" | "unionfs"
  readonly loader: string
  readonly lib: string
  readonly bin: string
  readonly instance: string
  /** Whether processes of other users may use it. The host's fusermount3 does not allow that to everybody. */
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
