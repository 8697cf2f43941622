import { formatBytes } from "../../FormatBytes.ts"
import type { LeftOut } from "./CommitSession.ts"

/**
 * Directories of the guest in which package managers keep what they can fetch again: packages and lists of packages. In a
 * layer they would take room for good and become outdated, so a commit leaves out the regular files in them.
 */
export const packageCaches: ReadonlyArray<string> = [
  // apt
  "/var/cache/apt",
  "/var/lib/apt/lists",
  // dnf, its version 5, and yum
  "/var/cache/dnf",
  "/var/cache/libdnf5",
  "/var/cache/yum",
  // zypper
  "/var/cache/zypp",
  // pacman
  "/var/cache/pacman/pkg",
  "/var/lib/pacman/sync",
  // apk
  "/var/cache/apk",
  // xbps
  "/var/cache/xbps",
  // pip, uv and npm of root, who installs packages in an image
  "/root/.cache/pip",
  "/root/.cache/uv",
  "/root/.npm/_cacache"
]

/** The message about files that were left out below one of them. */
export const describeLeftOut = ({ bytes, files, path }: LeftOut): string =>
  `Left out '${path}': ${files} ${files === 1 ? "file" : "files"}, ${formatBytes(bytes)}`
