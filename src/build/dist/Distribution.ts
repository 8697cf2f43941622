/** A root tree that flatimage knows how to make. */
export interface Distribution {
  /** As in `--dist` and in the name of the image. */
  readonly name: string
  /** As `fim-version full` says it. */
  readonly title: string
  readonly summary: string
  /** Suites to choose from, the default first; empty where there is nothing to choose. */
  readonly suites: ReadonlyArray<string>
}
