/** A program of the image and the Debian package it is taken from. */
export interface ToolSource {
  /** Name under `bin` of the application directory. */
  readonly name: string
  readonly package: string
  /** Path within the package. */
  readonly file: string
  /** Name in `fim-version deps`. */
  readonly dependency: string
}

/** The programs taken from Debian as it has compiled them. */
export const toolSources: ReadonlyArray<ToolSource> = [
  { name: "bash", package: "bash-static", file: "usr/bin/bash-static", dependency: "bash" },
  { name: "busybox", package: "busybox-static", file: "usr/bin/busybox", dependency: "busybox" },
  { name: "fuse-overlayfs", package: "fuse-overlayfs", file: "usr/bin/fuse-overlayfs", dependency: "overlayfs" },
  { name: "unionfs", package: "unionfs-fuse", file: "usr/bin/unionfs", dependency: "unionfs" }
]

/** What is compiled here, of the original source archive that Debian has in a suite. See `docs/decisions/0022-kernel-floor.md`. */
export const bubblewrapSource = { name: "bubblewrap", suite: "trixie", dependency: "bwrap" }

/**
 * Where a lock takes packages from, first choice first: the loader and C library of the first suite serve all.
 * unionfs-fuse and the version of FUSE it needs are not in the later suite.
 */
export const suites: ReadonlyArray<{ readonly suite: string; readonly packages: ReadonlyArray<string> }> = [
  { suite: "trixie", packages: ["libc6", "bash-static", "busybox-static", "fuse-overlayfs"] },
  { suite: "bookworm", packages: ["unionfs-fuse"] }
]

/** Directories of a package that may hold shared libraries, with the machine's triplet in place of `*`. */
export const libraryDirectories = ["usr/lib/*", "lib/*", "usr/lib64", "lib64", "usr/lib", "lib"]
