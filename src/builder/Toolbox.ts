/** A program of the image, and the Debian package that contains it. */
export interface ToolSource {
  /** Name under `bin` of the application directory. */
  readonly name: string
  readonly package: string
  /** Path within the package. */
  readonly file: string
  /** Name in `fim-version deps`. */
  readonly dependency: string
}

/** The programs that are used as Debian has compiled them. */
export const toolSources: ReadonlyArray<ToolSource> = [
  { name: "bash", package: "bash-static", file: "usr/bin/bash-static", dependency: "bash" },
  { name: "busybox", package: "busybox-static", file: "usr/bin/busybox", dependency: "busybox" },
  { name: "fuse-overlayfs", package: "fuse-overlayfs", file: "usr/bin/fuse-overlayfs", dependency: "overlayfs" },
  { name: "unionfs", package: "unionfs-fuse", file: "usr/bin/unionfs", dependency: "unionfs" }
]

/**
 * The program that is compiled here, from the original source archive of a Debian suite. See
 * `docs/decisions/0022-kernel-floor.md`.
 */
export const bubblewrapSource = { name: "bubblewrap", suite: "trixie", dependency: "bwrap" }

/**
 * The suites of a lock's packages, in order of preference. All use the loader and C library of the first suite.
 * unionfs-fuse and its version of FUSE are not in the later suite.
 */
export const suites: ReadonlyArray<{ readonly suite: string; readonly packages: ReadonlyArray<string> }> = [
  { suite: "trixie", packages: ["libc6", "bash-static", "busybox-static", "fuse-overlayfs"] },
  { suite: "bookworm", packages: ["unionfs-fuse"] }
]

/** Directories of a package that may contain shared libraries, with the machine's triplet in place of `*`. */
export const libraryDirectories = ["usr/lib/*", "lib/*", "usr/lib64", "lib64", "usr/lib", "lib"]
