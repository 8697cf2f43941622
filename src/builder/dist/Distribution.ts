/** A file of a root tree: path, content, permission bits. */
export type RootFile = readonly [path: string, content: string, mode: number]

/**
 * Names that each guest resolves. Where a tree lacks one, a start makes a file with all of them and mounts it, which costs some
 * milliseconds.
 */
export const hostNames = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tflatimage\n"

/** A distribution's names of processors, by Debian's names. */
export type Architectures = Readonly<Record<"amd64" | "arm64", string | undefined>>

/** How the packages of a distribution become a root tree. Paths are those of the machine that builds. */
export type Manager =
  | {
    readonly _tag: "Apt"
    /** Whether the mirrors in this machine's apt settings are those of the distribution. */
    readonly ofMachine: boolean
    readonly components: ReadonlyArray<string>
    /** Keyrings of the archive, of which the first existing one is used, and the package that contains them. */
    readonly keyrings: ReadonlyArray<string>
    readonly keyringPackage: string
    /** Settings of dpkg that stay in the image. */
    readonly dpkgSettings: ReadonlyArray<string>
  }
  | {
    readonly _tag: "Apk"
    readonly repositories: ReadonlyArray<string>
    readonly architectures: Architectures
    readonly keyrings: ReadonlyArray<string>
    readonly keyringPackage: string
  }
  | {
    readonly _tag: "Pacman"
    readonly repositories: ReadonlyArray<string>
    readonly architectures: Architectures
    readonly keyrings: ReadonlyArray<string>
    readonly keyringPackage: string
  }
  /** The tree consists of the tools of every image. There are no packages. */
  | { readonly _tag: "None" }

/** A distribution that flatimage can build. A new one is a file beside this one, and an entry in `Distributions.ts`. */
export interface Distribution {
  /** The value of `--dist`, and part of the image's name. */
  readonly name: string
  /** The name that `fim-version full` prints. */
  readonly title: string
  readonly summary: string
  /** The releases, the default first; empty if there are none to choose from. */
  readonly suites: ReadonlyArray<string>
  /** Other releases that are allowed, because the mirror defines the names; none if absent. */
  readonly otherSuites?: RegExp
  readonly manager: Manager
  /** The packages of the smallest system that can install more. */
  readonly packages: ReadonlyArray<string>
  /** Pattern of package names: excludes everything that a package manager could parse as an option. */
  readonly packageName: RegExp
  /** A shell script with which root of the guest installs the packages `"$@"`; absent if packages cannot be installed. */
  readonly install?: string
  /** How many parent directories the root tree has in the distribution's own archive. */
  readonly archiveStrip: number
  /** Files that prepare the tree for a sandbox. */
  readonly files: ReadonlyArray<RootFile>
  /** Files that remain after making the tree, and that an image does not need. */
  readonly leftovers: ReadonlyArray<string>
  /** Part of the key of cached trees. Increase it when a change here must invalidate cached trees. */
  readonly revision: number
}
