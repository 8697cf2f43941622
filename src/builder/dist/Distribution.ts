/** A file of a root tree: path, content, permission bits. */
export type RootFile = readonly [path: string, content: string, mode: number]

/** Names of Debian for the processors, and a distribution's own. */
export type Architectures = Readonly<Record<"amd64" | "arm64", string | undefined>>

/** How the packages of a distribution become a root tree. Paths are those of the machine that builds. */
export type Manager =
  | {
    readonly _tag: "Apt"
    /** Whether the mirrors in the settings of this machine's apt are of this distribution. */
    readonly ofMachine: boolean
    readonly components: ReadonlyArray<string>
    /** Keys that sign the archive, the first that exists is taken; and the package that has them. */
    readonly keyrings: ReadonlyArray<string>
    readonly keyringPackage: string
    /** Settings for dpkg, in the image for good. */
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
  /** The tree is made of the tools of every image; there are no packages. */
  | { readonly _tag: "None" }

/** A system that flatimage knows how to make. A new one is a file beside this one, and its name in `Distributions.ts`. */
export interface Distribution {
  /** As in `--dist` and in the name of the image. */
  readonly name: string
  /** As `fim-version full` prints it. */
  readonly title: string
  readonly summary: string
  /** Releases to choose from, the default first; empty where there is nothing to choose. */
  readonly suites: ReadonlyArray<string>
  /** Which others may be asked for, because the names are the mirror's; none where this is missing. */
  readonly otherSuites?: RegExp
  readonly manager: Manager
  /** Packages of the smallest system that can install more. */
  readonly packages: ReadonlyArray<string>
  /** Pattern of package names: excludes everything that a package manager could parse as an option. */
  readonly packageName: RegExp
  /** What root of the guest runs to install the packages `"$@"`, a script of sh; missing where nothing can. */
  readonly install?: string
  /** How many directories of the distribution's own archive are above its root tree. */
  readonly archiveStrip: number
  /** What makes the tree fit for a sandbox. */
  readonly files: ReadonlyArray<RootFile>
  /** What making the tree leaves behind and an image does not need. */
  readonly leftovers: ReadonlyArray<string>
  /** Part of the key of cached trees: to be raised when a change here must reach trees that are cached. */
  readonly revision: number
}
